"""Where output goes when a user names a place for it, which may be a link, or no regular file."""

import os
import re
import shutil
from pathlib import Path

from glowflow.errors import InputError

MOST_LINKS = 40
"""Links in a row that are followed, as many as the system itself follows."""
DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
"""Where systems show a process its own open files; /dev/stdout is a link to the second of them."""


def destination(path: Path) -> Path:
    """The place that a path names, which need not exist: where its links lead; InputError if they lead in a circle."""
    last = _chain(path)[-1]
    if os.path.islink(last):
        raise InputError(f"{path} leads nowhere: it is a link that leads back to itself.")
    return last


def descriptor(path: Path) -> int | None:
    """The number of this process's open file that a path names, as /dev/stdout and /dev/fd/3 do; None for others."""
    found = (DESCRIPTOR.fullmatch(os.path.abspath(place)) for place in _chain(path))
    return next((int(match[1]) for match in found if match), None)


def is_written_in_place(path: Path) -> bool:
    """Whether what a path names has to stay as it is and take the content: a pipe, a device, an open file.

    The same goes for a file that may be written, but is in a directory that may not.
    """
    if descriptor(path) is not None:
        return True
    if not path.exists():
        return False
    return not path.is_file() or not os.access(destination(path).parent, os.W_OK | os.X_OK)


def deliver(content: Path, path: Path) -> None:
    """Write a file's content into what a path names."""
    number = descriptor(path)
    target: int | Path = path if number is None else os.dup(number)
    with content.open("rb") as source, open(target, "wb") as sink:
        shutil.copyfileobj(source, sink)


def obstacle(path: Path) -> str:
    """Why a file can't be written at a path, as far as that can be known before; empty if it can."""
    if (number := descriptor(path)) is not None:
        try:
            os.fstat(number)
        except OSError:
            return f"no file is open as number {number}"
        return ""
    target = destination(path)
    if not target.parent.is_dir():
        return f"there is no folder {target.parent}"
    for is_kind, kind in ((target.is_dir, "folder"), (target.is_block_device, "disk"), (target.is_socket, "socket")):
        if is_kind():
            return f"it is a {kind}"
    if target.exists():
        return "" if os.access(target, os.W_OK) else "it is write-protected"
    return "" if os.access(target.parent, os.W_OK | os.X_OK) else f"the folder {target.parent} can't be written to"


def _chain(path: Path) -> list[Path]:
    """The path and each place that its links lead to, one after the other."""
    places = [path]
    while os.path.islink(places[-1]) and len(places) <= MOST_LINKS:
        places.append(places[-1].parent / os.readlink(places[-1]))
    return places
