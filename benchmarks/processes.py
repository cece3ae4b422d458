"""Do several processes train as one does, and how much faster?

`same`: one process and several take steps from the same checkpoints, on the same global batches. The differences of the
loss (bits/dim) and of the gradient's norm (relative) are recorded, of the first step and of the next ones.

`drift`: trainings by one and two processes drift apart, because every step magnifies rounding. As a control, trainings
by one process add up a batch's gradients in different orders.

`speed`: images per second of 2 processes of one thread each, of 1 process, and of what limits them, in turn.

    python -m benchmarks.processes same results/processes/processes.jsonl
    python -m benchmarks.processes drift results/processes/processes.jsonl
    python -m benchmarks.processes speed results/processes/processes.jsonl
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.lines import Line, complete
from glowflow.durable import load_lines

SETTINGS = ("--train.validation-images=100", "--train.init-batch-size=64", "--train.validate-every=160")
BATCH = 16
STEPS = 3
POSITIONS = [160, 480, 960, 1920]


def train(out: Path, preset: str, processes: int, images: int, *options: str) -> list[Line]:
    """Train in processes of one thread each, and return the metrics."""
    launcher = [] if processes == 1 else ["torch.distributed.run", f"--nproc-per-node={processes}", "-m"]
    options = (f"--out={out}", f"--train.images={images}", *SETTINGS, *options)
    command = [sys.executable, "-m", *launcher, "glowflow", "train", preset, *options]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return load_lines(out / "metrics.jsonl")


def same(preset: str, processes: int, positions: list[int]) -> Line:
    """Compare steps from the same checkpoints by one process and by several."""
    losses, norms = [], []
    with tempfile.TemporaryDirectory() as folder:
        for position in positions:
            train(start := Path(folder) / "start", preset, 1, position)
            found = []
            for count in (1, processes):
                shutil.copytree(start, copy := Path(folder) / f"{position}-{count}")
                metrics = train(copy, preset, count, position + STEPS * BATCH)
                found.append([line for line in metrics if line["kind"] == "train" and line["images"] > position])
            losses.append([abs(a["bits_per_dim"] - b["bits_per_dim"]) for a, b in zip(*found, strict=True)])
            norms.append([abs(a["grad_norm"] / b["grad_norm"] - 1) for a, b in zip(*found, strict=True)])
    return {"loss_differences": losses, "relative_gradient_norm_differences": norms}


def drift(preset: str, steps: int, *, control: bool) -> Line:
    """Compare trainings that differ only in rounding: by 2 processes, or by another order of adding gradients."""
    how = (1, "--micro-batch=4") if control else (2,)
    with tempfile.TemporaryDirectory() as folder:
        one = train(Path(folder) / "one", preset, 1, steps * BATCH)
        other = train(Path(folder) / "other", preset, how[0], steps * BATCH, *how[1:])
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a["kind"] == "train"]
    return {"loss_differences_every_10_steps": [abs(a["bits_per_dim"] - b["bits_per_dim"]) for a, b in pairs][9::10]}


def speed(preset: str, rounds: int) -> Line:
    """Images per second of one process, of two that share a training, and what two could reach at best.

    There are two limits. One is the machine's: two trainings at once that share nothing. The other is the batch's: each
    of two processes has half of it, for which one process alone takes more than half the time.
    """
    rates: dict[str, list[float]] = {"one": [], "two": [], "two_apart": [], "one_of_half_a_batch": []}
    half = f"--train.batch-size={BATCH // 2}"
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        for number in range(rounds):
            folder = Path(name) / str(number)
            rates["one"].append(rate(folder / "one", preset, 1))
            rates["two"].append(rate(folder / "two", preset, 2))
            rates["two_apart"].append(sum(pool.map(rate, (folder / "a", folder / "b"), [preset] * 2, [1] * 2)))
            rates["one_of_half_a_batch"].append(rate(folder / "half", preset, 1, half))
    one = rates["one"]
    by_one = {name: median(a / b for a, b in zip(found, one, strict=True)) for name, found in rates.items()}
    return {"images_per_second": rates, "by_one": by_one, "efficiency": by_one["two"] / 2}


def rate(out: Path, preset: str, processes: int, *options: str) -> float:
    """The images per second in the metrics of a training, except for the first records."""
    lines = train(out, preset, processes, 960, "--train.validate-every=1600", *options)
    return median(line["images_per_second"] for line in lines[5:] if line["kind"] == "train")


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(MEASURES))
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    wanted: list[Line]
    if options.what == "same":
        wanted = [{"what": "same", "preset": "digits", "processes": p, "positions": POSITIONS} for p in (2, 4)]
    elif options.what == "drift":
        wanted = [{"what": "drift", "preset": "digits", "steps": 90, "control": control} for control in (False, True)]
    else:
        wanted = [{"what": "speed", "preset": preset, "rounds": 3} for preset in ("digits", "faces32")]
    for line in complete(options.out, measure, wanted):
        print(line)


def measure(what: str, **settings: object) -> Line:
    """The measurement of any kind."""
    return MEASURES[what](**settings)


MEASURES: dict[str, Callable[..., Line]] = {"same": same, "drift": drift, "speed": speed}


if __name__ == "__main__":
    main()
