"""Do several processes train as one does, and how much faster?

`same`: a preset is trained by 1, 2 and 4 processes on the same global batches, once also changing their number on the
way; the largest difference of the training loss of any step from that of one process is noted.

`speed`: images per second of 2 processes of one thread each against those of 1 process of one thread, in turn.

    python benchmarks/processes.py same results/processes.jsonl
    python benchmarks/processes.py speed results/processes.jsonl
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from lines import Line, complete

SETTINGS = ("--train.validation_images=100", "--train.init_batch_size=64", "--train.averaging=0.9")


def train(out: Path, preset: str, processes: int, images: int, every: int) -> list[Line]:
    """Train in processes of one thread each, with a record of every `every / 10` images; the metrics."""
    launcher = [] if processes == 1 else ["torch.distributed.run", f"--nproc-per-node={processes}", "-m"]
    options = (f"--out={out}", f"--train.images={images}", f"--train.validate_every={every}", *SETTINGS)
    command = [sys.executable, "-m", *launcher, "glowflow", "train", preset, *options]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def same(preset: str, processes: list[int], steps: int) -> Line:
    """Train, changing to the next number of processes at equal distances, and compare with one process."""
    batch = 16
    with tempfile.TemporaryDirectory() as folder:
        one = train(Path(folder) / "one", preset, 1, steps * batch, 10 * batch)
        found: list[Line] = []
        for index, count in enumerate(processes, 1):
            images = steps * batch * index // len(processes)
            found = train(Path(folder) / "several", preset, count, images, 10 * batch)
    pairs = [(a, b) for a, b in zip(one, found, strict=True) if a["kind"] == "train"]
    difference = [abs(a["bits_per_dim"] - b["bits_per_dim"]) for a, b in pairs]
    return {"steps_compared": len(pairs), "largest_difference": max(difference), "last_difference": difference[-1]}


def speed(preset: str, rounds: int) -> Line:
    """Images per second, by the metrics of a run's later half."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for count, noted in rates.items():
                lines = train(Path(folder) / f"{count}-{number}", preset, count, 1600, 1600)
                noted.append(median(line["images_per_second"] for line in lines[5:] if line["kind"] == "train"))
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    return {"images_per_second": rates, "speed_of_two_by_one": median(ratios), "efficiency": median(ratios) / 2}


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["same", "speed"])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    wanted: list[Line]
    if options.what == "same":
        schedules = ([2], [4], [1, 2, 4])
        wanted = [{"what": "same", "preset": "digits", "processes": p, "steps": 90} for p in schedules]
    else:
        wanted = [{"what": "speed", "preset": preset, "rounds": 3} for preset in ("digits", "faces32")]
    for line in complete(options.out, measure, wanted):
        print(line)


def measure(what: str, **settings: object) -> Line:
    """Of either kind."""
    return same(**settings) if what == "same" else speed(**settings)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
