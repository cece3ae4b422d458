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
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

import glowflow
from glowflow.provenance import provenance

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
    """Add a line for each preset and precision to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("other", type=Path, help="the folder src of the other version's checkout")
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=args.other, capture_output=True, text=True, check=True)
    for preset in args.presets:
        for precision in ("bfloat16", "float32"):
            pairs = [
                [seconds(source.resolve(), preset, precision, args.images) for source in (args.other, HERE)]
                for _ in range(args.rounds)
            ]
            ratios = [here / other for other, here in pairs]
            row = {"preset": preset, "precision": precision, "images": args.images, "other": commit.stdout.strip()}
            row |= {"seconds": pairs, "ratios": ratios, "ratio": median(ratios), "threads": torch.get_num_threads()}
            with args.file.open("a", encoding="utf-8") as file:
                print(json.dumps(row | provenance()), file=file)
            print(preset, precision, ratios)


if __name__ == "__main__":
    main()
