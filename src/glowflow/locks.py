"""Locks between processes, which the system itself gives up when a process ends, however it ends."""

import errno
import os
from typing import BinaryIO

from glowflow.progress import say

BUSY = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})
"""What systems report when another process has the lock. Any other error means that the file can't be locked."""


def lock(file: BinaryIO, *, blocking: bool) -> None:
    """Lock an open file until it is closed.

    Some file systems of networks have no locks. This is reported, and the work goes on without a lock.

    Args:
        file: It is open for writing.
        blocking: Whether to wait while another process has it locked.

    Raises:
        BlockingIOError: If another process has it locked, and this one is not to wait.
    """
    try:
        _lock(file, blocking=blocking)
    except OSError as error:
        if error.errno in BUSY and not blocking:
            raise BlockingIOError(error.errno, error.strerror, file.name) from None
        say(f"{file.name} can't be locked ({error.strerror}): run only one command at a time that writes there.")


def _lock(file: BinaryIO, *, blocking: bool) -> None:
    if os.name == "nt":
        _lock_on_windows(file, blocking=blocking)
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(file, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))


def _lock_on_windows(file: BinaryIO, *, blocking: bool) -> None:
    """Windows waits for ten seconds at most, so a longer wait is several of them."""
    import msvcrt  # noqa: PLC0415

    while True:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if blocking else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError as error:
            if not (blocking and error.errno == errno.EDEADLK):
                raise
        else:
            return
