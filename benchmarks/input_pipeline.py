"""Does a training wait for its images? It compares steps on real data with steps on a batch in memory.

Blocks of either kind of steps take turns. A ratio compares two neighbouring blocks.

    python -m benchmarks.input_pipeline results/speed/input-pipeline.jsonl digits faces32 photos32
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import cast

from benchmarks.lines import Line, complete
from glowflow import data
from glowflow.presets import load
from glowflow.processes import ALONE
from glowflow.training.batches import Batch, Batches, ahead
from glowflow.training.state import TrainingState


@dataclass(frozen=True)
class Constant(Batches):
    """The same batch at every position."""

    kept: Batch | None = None

    def fetched(self, *_: object) -> Batch:
        """The same batch."""
        return cast("Batch", self.kept)


def measure(preset: str, pairs: int, steps: int) -> Line:
    """Time both kinds of steps, `pairs` times."""
    run = load(preset).run
    state = TrainingState.new(run, "cpu")
    real = Batches(data.prepare(run.train.data, run.model.image_shape)["train"], run, "cpu")
    size = run.train.batch_size
    state.initialize(real.at(0, size))
    constant = Constant(real.dataset, run, "cpu", kept=real.fetched(0, size))
    _seconds(state, real, steps)  # not counted: the first steps are slow
    times = [[_seconds(state, batches, steps) for batches in (real, constant)] for _ in range(pairs)]
    return {
        "steps_per_block": steps,
        "ratio": median(mine / other for mine, other in times),
        "lowest": min(mine / other for mine, other in times),
        "highest": max(mine / other for mine, other in times),
        "batch_by_step": _batch_seconds(real, size) / (median(other for _, other in times) / steps),
    }


def _seconds(state: TrainingState, batches: Batches, steps: int) -> float:
    size = state.settings.batch_size
    coming = ahead(batches, ALONE, range(0, steps * size, size))
    return _timed(lambda _: state.step(next(coming)), steps)


def _batch_seconds(batches: Batches, size: int) -> float:
    return _timed(lambda index: batches.at(index * size, size), 100) / 100


def _timed(work: Callable[[int], object], count: int) -> float:
    began = time.perf_counter()
    for index in range(count):
        work(index)
    return time.perf_counter() - began


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    wanted = [{"preset": preset, "pairs": options.pairs} for preset in options.presets]
    for line in complete(options.out, partial(measure, steps=options.steps), wanted):
        share = f"getting a batch takes {line['batch_by_step']:.2%} of a step"
        print(f"{line['preset']}: {line['ratio']:.4f} ({line['lowest']:.3f} to {line['highest']:.3f}); {share}")


if __name__ == "__main__":
    main()
