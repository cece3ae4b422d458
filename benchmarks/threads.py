"""Does `auto` choose a good number of threads? It's compared with trainings with fixed numbers.

They are measured on quiet cores and on cores that other processes keep busy. Every training is a process of its own and
runs for the same time, and the choices take turns. A training's rate is that of its steps. `other_seconds` is its other
time, which includes the trial of threads.

    python -m benchmarks.threads results/speed/threads.json --preset digits --seconds 20 --rounds 3
"""

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from glowflow.durable import load_json, save_json
from glowflow.errors import TrainingInterruptedError
from glowflow.execution import Execution, fast_precision
from glowflow.presets import load
from glowflow.provenance import provenance
from glowflow.threads import Wish, candidates, in_use
from glowflow.training import Options, train
from glowflow.training.checkpoints import PROGRESS
from glowflow.training.run import LAST

SEED = 0
MOST_IMAGES = 10**9


def trained(preset: str, wish: Wish, seconds: float) -> dict[str, Any]:
    """Train in this process; the rate of steps, the number of threads, and the time before the steps."""
    run = load(preset).run
    settings = replace(run.train, seed=SEED, images=MOST_IMAGES, validate_every=MOST_IMAGES)
    options = Options(Execution(precision=fast_precision("cpu")), seconds=seconds, threads=wish)
    with tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        with suppress(TrainingInterruptedError):
            train(replace(run, train=settings), out, options=options)
        progress = load_json(Path(out) / LAST / PROGRESS)
        before = time.monotonic() - began - seconds
    rate = progress["position"] / seconds
    return {"asked": wish, "threads": progress["threads"], "images_per_second": rate, "other_seconds": before}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run some other processes that never wait."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def compared(preset: str, others: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Measure all choices beside busy processes. The share is the rate of `auto`, divided by the best fixed one."""
    choices: list[Wish] = [*candidates(in_use()), "auto"]
    rows = []
    with busy(others), multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for round_ in range(rounds):
            for wish in choices:
                rows.append({"round": round_, **pool.apply(trained, (preset, wish, seconds))})
                print(f"{others} busy: {rows[-1]}", flush=True)
    rates = {str(wish): median(row["images_per_second"] for row in rows if row["asked"] == wish) for wish in choices}
    auto = rates["auto"] / max(rate for wish, rate in rates.items() if wish != "auto")
    return {"busy_processes": others, "images_per_second": rates, "auto_by_best_fixed": auto, "trainings": rows}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="digits")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each training's steps")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2], help="numbers of other processes")
    options = parser.parse_args()
    found = [compared(options.preset, others, options.seconds, options.rounds) for others in options.busy]
    settings = {"preset": options.preset, "seconds": options.seconds, "rounds": options.rounds, "seed": SEED}
    save_json(options.out, settings | {"compared": found} | provenance())
    for each in found:
        rates = ", ".join(f"{wish}: {rate:.1f}" for wish, rate in each["images_per_second"].items())
        share = each["auto_by_best_fixed"]
        print(f"{each['busy_processes']} busy processes: {rates} images/s; auto has {share:.2f} of the best fixed one")


if __name__ == "__main__":
    main()
