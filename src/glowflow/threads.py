"""How many threads compute: a number that the user gives, or the smallest number that a trial finds fast enough.

Threads wait for each other many times in every step. If other programs use the same cores, one thread that waits for
its core holds up all others. Two threads may then be many times slower than one.
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
"""A number of threads; "auto" for a trial; None for no change."""
Work = Callable[[int], object]
"""Work on a given number of images. It can be repeated and changes nothing."""
HELP = (
    "How many threads compute: a number, or auto. auto tries several numbers, and takes the smallest one that is about "
    "as fast as the best. The default is the environment variable OMP_NUM_THREADS. If it isn't set, commands that may "
    "take hours (train, evaluate, score, calibrate, compare, attributes, archive) use auto, and the others use all "
    "threads. A run keeps its number when it goes on, unless you give another one."
)
TOLERANCE = 1.05
"""How many times as long as the best number a smaller number may take to be chosen."""
HOPELESS = 4.0
"""A number that takes this many times as long as the best one isn't tried again."""
TOO_LONG = 2.0
"""If one thread takes more seconds for an image, all threads are used; a trial would take minutes."""
SECONDS_TO_PREPARE = 1.0
"""How long the first work with a number of threads may take, in seconds."""
ROUNDS = 5
"""How often each number is tried at least, in turn with the others."""
SECONDS_OF_TRAINING, SECONDS_OF_COMMAND = 1.0, 0.3
"""About how long a trial takes before a training, and before another command."""

_wishes: list[Wish] = [None]


def ask(said: str | None, *, is_long: bool) -> None:
    """Note what the user gives: a number, "auto", or nothing (None).

    If the user gives nothing, a command that may take long (`is_long`) uses "auto".

    Raises:
        InputError: If the user gives something else, or more threads than there are cores.
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
    """The number of threads that the user wants, see `Wish`."""
    return _wishes[0]


def settle(work: Work, largest: int, device: str) -> None:
    """Compute with as many threads as the user wants from now on.

    For "auto" on the CPU, a trial with work on at most `largest` images finds the number. There is one trial at most.
    """
    if asked() == "auto" and device == "cpu":
        trial = Trial.of(work, largest, SECONDS_OF_COMMAND)
        if trial.best < most():  # otherwise nothing changes
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

        `mean` gives the mean of a number over all processes of a training, so that all choose the same.
        """
        numbers = candidates(most())
        with restored():
            if len(numbers) == 1 or mean(_timed(1, partial(work, 1))) > TOO_LONG:
                return cls({numbers[-1]: 0.0})
            alone: dict[int, float] = {}
            for allowed in (SECONDS_TO_PREPARE, 0.0):  # the first time also prepares what work needs
                alone |= _measured(partial(work, 1), numbers, mean)
                limit = max(allowed, HOPELESS * min(alone.values()))
                numbers = [number for number in numbers if alone[number] < limit]
            if len(numbers) == 1:
                return cls(alone)
            count = max(1, min(largest, round(seconds / 20 / min(alone.values()))))
            return cls(_measured(partial(work, count), numbers, mean, ROUNDS, seconds))

    @property
    def best(self) -> int:
        """The smallest number of threads that takes hardly longer than the fastest one."""
        return min(number for number, each in self.seconds.items() if each <= TOLERANCE * min(self.seconds.values()))

    def __str__(self) -> str:
        """The message for the user."""
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
    """How many threads this process may use: under torchrun its share of the cores, else as many as compute now."""
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
    """Mean seconds with each number, from at least so many rounds. The longest of several times is left out."""
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
