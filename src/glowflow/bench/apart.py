"""Work in a process of its own, which shares none of this one's settings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch
from torch import multiprocessing

from glowflow.bench.timing import Work, synchronize
from glowflow.errors import InputError


@contextmanager
def apart(build: Callable[[], Work]) -> Iterator[Work]:
    """Work that another process builds and does, with as many threads as this one. It ends with the context.

    Args:
        build: A function that returns the work. It's pickled and called in the other process.

    Raises:
        InputError: If the process ends too early.
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
            here.recv()  # the work is built
        yield work
    finally:
        here.close()
        process.join()


@contextmanager
def _end_told() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise InputError("A measured process ended too early; perhaps it ran out of memory.") from None


def _serve(pipe: Connection, build: Callable[[], Work], threads: int) -> None:
    """Build the work, and do it at each request until the other end is closed."""
    torch.set_num_threads(threads)
    work = build()
    while _is_asked(pipe):
        work()
        synchronize()


def _is_asked(pipe: Connection) -> bool:
    """Report that everything is done, and wait for a request. Return False if the other end is closed."""
    try:
        pipe.send(None)
        pipe.recv()
    except (EOFError, OSError):
        return False
    return True
