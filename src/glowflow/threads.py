"""How many threads compute: as many as a user asks for, or as few as a trial finds fast enough.

Threads wait for each other many times in every step. On cores that other programs use too, one thread that has to wait
for its core holds up all others, and two threads may be many times slower than one.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Literal

from glowflow.errors import InputError, counted
from glowflow.progress import say

Wish = int | Literal["auto"] | None
"""A number of threads; "auto" for a trial; None for as many as compute anyway."""
Work = Callable[[int], object]
"""Work on so many images, which can be repeated and changes nothing."""
HELP = (
    "How many threads compute: a number; or auto, which tries a few and all, and takes the fewest that are about as "
    "fast as the best. By default it's the environment variable OMP_NUM_THREADS. If that isn't set, commands that may "
    "take hours (train, evaluate, score, attributes) use auto, and others use all. A run that continues keeps its "
    "number, unless you give another one."
)
TOLERANCE = 1.05
"""How many times as long as the best number fewer threads may take."""
HOPELESS = 4.0
"""How many times as long as the best number others may take to be tried further."""
TOO_LONG = 2.0
"""Seconds. If one thread takes longer for an image, a trial would take minutes, so all threads are used instead."""
SECONDS_TO_PREPARE = 1.0
"""The time that work may take when it's first done with a number of threads."""
ROUNDS = 5
"""How often each number is tried at least, in turn with the others."""
SECONDS_OF_TRAINING, SECONDS_OF_COMMAND = 1.0, 0.3
"""About how long a trial takes, if nothing holds it up."""

_wishes: list[Wish] = [None]


def ask(said: str | None, *, is_long: bool) -> None:
    """Note what the user of this process says: a number, "auto", or nothing (None).

    If they say nothing, commands that may take long (`is_long`) try which number is best.

    Raises:
        InputError: If it's something else, or more than this machine has cores.
    """
    if said is None:
        _wishes[:] = ["auto" if is_long and "OMP_NUM_THREADS" not in os.environ else None]
    elif said == "auto":
        _wishes[:] = ["auto"]
    elif said.isdecimal() and 1 <= int(said) <= cores():
        _wishes[:] = [int(said)]
    else:
        raise InputError(f"--threads is {said}; it takes auto, or a whole number from 1 to {cores()}, the cores here.")


def asked() -> Wish:
    """What the user of this process wants; None where nobody was asked."""
    return _wishes[0]


def settle(work: Work, largest: int, device: str) -> None:
    """Compute with as many threads as the user wants from now on.

    For "auto", a trial of work on at most `largest` images finds the number, once, and on the CPU alone.
    """
    if asked() == "auto" and device == "cpu":
        trial = Trial.of(work, largest, SECONDS_OF_COMMAND)
        if trial.best < most():  # else all is as it would be anyway
            say(str(trial))
        _wishes[:] = [trial.best]
    if isinstance(wish := asked(), int):
        use(wish)


@dataclass(frozen=True)
class Trial:
    """How many seconds the same work takes with several numbers of threads.

    >>> print(Trial({1: 0.0485, 2: 0.0468, 4: 0.06}))
    1 thread will compute: a trial took 48 ms with 1, 47 ms with 2, 60 ms with 4. Choose another number by --threads.
    >>> Trial({1: 0.0485, 2: 0.03}).best
    2
    """

    seconds: Mapping[int, float]

    @classmethod
    def of(cls, work: Work, largest: int, seconds: float, mean: Callable[[float], float] = float) -> "Trial":
        """Try 1, 2, 4, ... and all threads, for about so many seconds, with work on at most `largest` images.

        `mean` gives the mean of a number over all processes that do this together, so that all choose alike.
        """
        numbers = candidates(most())
        with restored():
            if len(numbers) == 1 or mean(_timed(1, partial(work, 1))) > TOO_LONG:
                return cls({numbers[-1]: 0.0})
            alone: dict[int, float] = {}
            for allowed in (SECONDS_TO_PREPARE, 0.0):  # what is made when it's first needed, the first time
                alone |= _measured(partial(work, 1), numbers, mean)
                limit = max(allowed, HOPELESS * min(alone.values()))
                numbers = [number for number in numbers if alone[number] < limit]
            if len(numbers) == 1:
                return cls(alone)
            count = max(1, min(largest, round(seconds / 20 / min(alone.values()))))
            return cls(_measured(partial(work, count), numbers, mean, ROUNDS, seconds))

    @property
    def best(self) -> int:
        """The fewest threads that take hardly longer than the best number of them."""
        return min(number for number, each in self.seconds.items() if each <= TOLERANCE * min(self.seconds.values()))

    def __str__(self) -> str:
        """What to tell the user."""
        taken = ", ".join(f"{1000 * each:.0f} ms with {number}" for number, each in self.seconds.items())
        trial = f": a trial took {taken}" if len(self.seconds) > 1 else ""
        return f"{counted(self.best, 'thread')} will compute{trial}. Choose another number by --threads."


def candidates(largest: int) -> list[int]:
    """The numbers that are tried: 1, 2, 4, ... and the largest.

    >>> candidates(1), candidates(6)
    ([1], [1, 2, 4, 6])
    """
    return [*(2**power for power in range(largest.bit_length()) if 2**power < largest), largest]


def most() -> int:
    """As many as this process may use: what PyTorch takes by itself, or its share of the cores under torchrun."""
    together = os.environ.get("LOCAL_WORLD_SIZE")
    return in_use() if together is None else max(1, cores() // int(together))


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use(number: int) -> None:
    """Compute with so many threads from now on."""
    import torch  # noqa: PLC0415 (heavy)

    torch.set_num_threads(number)


def in_use() -> int:
    """How many threads compute now."""
    import torch  # noqa: PLC0415 (heavy)

    return torch.get_num_threads()


@contextmanager
def restored() -> Iterator[None]:
    """Compute with as many threads as before when the context ends."""
    before = in_use()
    try:
        yield
    finally:
        use(before)


def _measured(
    work: Callable[[], object],
    numbers: Sequence[int],
    mean: Callable[[float], float],
    rounds: int = 1,
    seconds: float = 0.0,
) -> dict[int, float]:
    """Mean seconds with each number, in at least so many rounds. The longest of several is left out, as disturbed."""
    taken: dict[int, list[float]] = {number: [] for number in numbers}
    began = time.perf_counter()
    while len(taken[numbers[0]]) < rounds or mean(time.perf_counter() - began) < seconds:
        for number in numbers:
            taken[number].append(_timed(number, work))
    return {number: mean(fmean(sorted(each)[:-1] or each)) for number, each in taken.items()}


def _timed(number: int, work: Callable[[], object]) -> float:
    use(number)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
