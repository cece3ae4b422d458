"""Work done in a process of its own, which has nothing of what this one has set up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch
from torch import multiprocessing

from glowflow.bench.timing import Work, synchronize
from glowflow.errors import InputError


@contextmanager
def apart(build: Callable[[], Work]) -> Iterator[Work]:
    """Work that's built and done in another process, which ends with the context; it has as many threads.

    Args:
        build: Gives the work there; it's pickled.

    Raises:
        InputError: If the process ends by itself.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, build, torch.get_num_threads()), daemon=True)
    process.start()
    there.close()

    def work() -> None:
        with _end_told():
            here.send(None)
            here.recv()

    try:
        with _end_told():
            here.recv()  # it's built
        yield work
    finally:
        here.close()
        process.join()


@contextmanager
def _end_told() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise InputError("A process that was to be measured ended: its memory may not have sufficed.") from None


def _serve(pipe: Connection, build: Callable[[], Work], threads: int) -> None:
    """Build the work, and do it whenever it's asked for."""
    torch.set_num_threads(threads)
    work = build()
    while _is_asked(pipe):
        work()
        synchronize()


def _is_asked(pipe: Connection) -> bool:
    """Say that what there was to do is done, and wait; False when the other end is closed."""
    try:
        pipe.send(None)
        pipe.recv()
    except (EOFError, OSError):
        return False
    return True
