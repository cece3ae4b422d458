"""How fast do two versions of glowflow train? They take turns, and each is run as its users run it.

The other version is the folder `src` of a checkout. Each round trains a preset from the beginning with both versions,
one after the other. The result is the ratio of their times for each round.

    OMP_NUM_THREADS=1 python -m benchmarks.versions results/fewer-operations/speed.jsonl ../before/src faces32 digits
"""

import argparse
import json
import os
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

import glowflow
from benchmarks.lines import Line, complete

HERE = Path(glowflow.__file__).parents[1]


def seconds(source: Path, preset: str, precision: str, images: int) -> float:
    """Seconds that the training steps of a short training take, without those before the first line of its metrics."""
    with TemporaryDirectory() as folder:
        run = Path(folder, "run")
        settings = [
            "--train.images",
            str(images),
            "--train.validate-every",
            str(images),
            "--train.validation-images",
            "8",
        ]
        command = [
            sys.executable,
            "-m",
            "glowflow",
            "train",
            preset,
            *settings,
            "--precision",
            precision,
            "--out",
            str(run),
        ]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(source)})
        lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [line for line in lines if line["kind"] == "train"]
    return sum((now["images"] - before["images"]) / now["images_per_second"] for before, now in pairwise(rows))


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("source", type=Path, help="the folder src of the other version's checkout")
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    source = options.source.resolve()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True)

    def measure(preset: str, precision: str, images: int, other: str) -> Line:
        pairs = [[seconds(each, preset, precision, images) for each in (source, HERE)] for _ in range(options.rounds)]
        ratios = [here / there for there, here in pairs]
        return {"seconds": pairs, "ratios": ratios, "ratio": median(ratios), "threads": torch.get_num_threads()}

    wanted = [
        {"preset": preset, "precision": precision, "images": options.images, "other": commit.stdout.strip()}
        for preset, precision in product(options.presets, ("bfloat16", "float32"))
    ]
    for line in complete(options.out, measure, wanted):
        print(line["preset"], line["precision"], line["ratios"])


if __name__ == "__main__":
    main()
