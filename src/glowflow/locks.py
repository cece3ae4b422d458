"""Locks between processes, which the system itself gives up when a process ends, however it ends."""

import os
from typing import BinaryIO


def lock(file: BinaryIO, *, blocking: bool) -> None:
    """Lock an open file until it's closed; OSError if another process has it locked, unless `blocking`."""
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415

        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if blocking else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(file, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
