"""Folders: which files of one go into an archive, and how the files of an archive come back into one."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG

from glowflow.codec.archive import File
from glowflow.codec.entries import DEEPEST
from glowflow.destinations import destination
from glowflow.durable import replacing_directory
from glowflow.errors import InputError

OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that aren't about a file's name, and so end an extraction."""
SIGNS = frozenset('\\:*?"<>|')
PORTS = [f"{port}{number}" for port in ("COM", "LPT") for number in "123456789¹²³"]
DEVICES = frozenset({"CON", "CONIN$", "CONOUT$", "PRN", "AUX", "NUL", *PORTS})
"""What Windows doesn't have in a name, and as a name."""


def files_of(
    folder: Path, leave_out: Sequence[Path] = (), told: Callable[[Path, str], None] = lambda path, reason: None
) -> Iterator[tuple[str, Path]]:
    """The name and the place of each file in a folder, in a fixed order.

    Args:
        folder: The folder. Files in its folders belong to it, too.
        leave_out: Files that don't count. They need not exist.
        told: Is called with each other path that doesn't count, and the reason: links to folders, pipes, devices.

    Raises:
        InputError: If there is no such folder, if a file can't be read, or if folders are too deep in each other.
        OSError: If a folder can't be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the folder whose files are to be stored.")
    but = [path for path in leave_out if path.exists()]
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        if len(Path(place).relative_to(folder).parts) == DEEPEST:
            raise InputError(f"{place} can't be stored: at most {DEEPEST - 1} folders may be in each other.")
        for each in folders:
            if os.path.islink(os.path.join(place, each)):
                told(Path(place, each), "it's a link to a folder")
        for name in sorted(names):
            path = Path(place, name)
            if not _is_file(path):
                told(path, "it's a link that leads nowhere" if path.is_symlink() else "it isn't a file")
            elif not any(path.samefile(other) for other in but):
                yield path.relative_to(folder).as_posix(), _readable(path)


def _raise(error: OSError) -> None:
    raise error


def _is_file(path: Path) -> bool:
    """True for a file, or a link to one; False for a link that leads nowhere."""
    try:
        return S_ISREG(path.stat().st_mode)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP}:
            return False
        raise


def _readable(path: Path) -> Path:
    """A file, if it can be read: otherwise hours of work on others might be in vain."""
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} can't be read: you lack the permission.")
    return path


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder to fill, which then becomes `out`; an OSError if a folder `out` has anything in it by then."""
    target = destination(out).resolve()
    with replacing_directory(target) as partial:
        yield partial
        with suppress(FileNotFoundError):
            target.rmdir()


def restore(out: Path, found: File) -> str:
    """Write a file of an archive below a folder, with its time. Why it can't be there, if it can't; otherwise empty.

    Raises:
        DamagedError: If its content isn't what was written. The file isn't there then.
        OSError: If the disk is full, or fails.
    """
    if reason := unfit(found.entry.name):
        return reason
    path = out / found.entry.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except (FileExistsError, NotADirectoryError):
        return "another file has this name here"
    except OSError as error:
        if error.errno in OF_THE_DISK:
            raise
        return error.strerror or str(error)
    try:
        with file:
            file.writelines(found.content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    with suppress(OSError, OverflowError):  # no file system has all times
        os.utime(path, ns=(found.time, found.time))
    return ""


def unfit(name: str, system: str = os.name) -> str:
    """Why a system can't have a file of this name, as far as that's known before; otherwise empty.

    >>> unfit("a/nul.png", "nt"), unfit("a/nul.png", "posix")
    ('Windows has no such names', '')
    """
    if system == "nt":
        return "Windows has no such names" if any(map(_is_not_for_windows, name.split("/"))) else ""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return "it isn't in this system's encoding"
    return ""


def _is_not_for_windows(part: str) -> bool:
    is_device = part.partition(".")[0].rstrip().upper() in DEVICES
    return is_device or part[-1] in ". " or any(sign in SIGNS or ord(sign) < ord(" ") for sign in part)
