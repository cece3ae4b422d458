"""Work done in a process of its own, which has nothing of what this one has set up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

import torch
from torch import multiprocessing

from glowflow.errors import InputError

Work = Callable[[], None]


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

    def wait() -> None:
        try:
            here.recv()
        except EOFError:
            raise InputError("A process that was to be measured ended: its memory may not have sufficed.") from None

    def work() -> None:
        here.send(None)
        wait()

    try:
        wait()  # it's being built
        yield work
    finally:
        here.close()
        process.join()


def _serve(pipe: Connection, build: Callable[[], Work], threads: int) -> None:
    """Build the work, and do it whenever something is received, until the other end is closed."""
    torch.set_num_threads(threads)
    work = build()
    with suppress(EOFError, OSError):  # the other end is closed
        while True:
            pipe.send(None)
            pipe.recv()
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
