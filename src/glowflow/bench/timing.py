"""The times that pieces of work take, measured in turn."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch

from glowflow.progress import progress

Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """The time of one piece of work, measured in turn with the others."""

    name: str
    seconds: float
    """The median over the rounds."""
    images_per_second: float
    ratio: float
    """Its time divided by that of the first piece of work in the same round: the median over the rounds."""
    first_seconds: float
    """Its time in the first round, which includes compiling and isn't counted elsewhere."""


def timings(works: Mapping[str, Work], batch_size: int, rounds: int) -> list[Timing]:
    """Run each piece of work once per round, in turn. An extra first round isn't counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    with progress("Timing", (rounds + 1) * len(works), "runs") as advance:
        for _ in range(rounds + 1):
            for name, work in works.items():
                seconds[name].append(timed(work))
                advance(1, name)
    base = next(iter(seconds.values()))[1:]
    return [_timing(name, values, base, batch_size) for name, values in seconds.items()]


def _timing(name: str, seconds: list[float], base: list[float], batch_size: int) -> Timing:
    first, *values = seconds
    ratio = median(value / other for value, other in zip(values, base, strict=True))
    return Timing(name, median(values), batch_size / median(values), ratio, first)


def timed(work: Work) -> float:
    """Seconds that a piece of work takes, including the device's."""
    synchronize()
    began = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - began


def synchronize() -> None:
    """Wait until the device has finished all work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
