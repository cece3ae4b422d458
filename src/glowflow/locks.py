"""Locks between processes, which the system itself gives up when a process ends, however it ends."""

from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from glowflow.progress import say


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
        is_locked = lock_descriptor(file.fileno(), blocking=blocking)
    except OSError as error:
        say(f"{file.name} can't be locked ({error.strerror}): run only one command at a time that writes there.")
        return
    if not is_locked:
        raise BlockingIOError(f"Another process has {file.name} locked.")


def is_locked(path: Path) -> bool:
    """True if another open file has this one locked, or if that can't be known."""
    try:
        with path.open("ab") as file:
            return not lock_descriptor(file.fileno(), blocking=False)
    except OSError:
        return path.exists()
