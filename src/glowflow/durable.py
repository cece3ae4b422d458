"""Files and directories that are written whole or not at all, and whose damage is noticed."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from glowflow.destinations import deliver, destination, is_written_in_place
from glowflow.errors import InputError

DIGESTS = "digests.json"
LONGEST_NAME = 128
"""Bytes of a name to which any file system lets us add a few."""
UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""Errors of file systems, often of networks, that don't support an operation."""
NOT_FOR_DIRECTORIES = UNSUPPORTED | {errno.EACCES, errno.EPERM, errno.EBADF, errno.EISDIR}
"""Errors of systems that can't sync directories; Windows has EACCES."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file to write to, which then replaces the file `path`, whole or not at all.

    A link stays, and the file that it leads to is replaced. Other names of this file (hard links) keep its old content.
    A pipe or a device gets the content when it's whole.
    """
    target = destination(path)
    try:
        with _delivering(path) if is_written_in_place(path) else _replacing(target) as partial:
            yield partial
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from error


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    partial = beside(target, "partial")
    try:
        partial.touch()
        mode = (target if os.access(target, os.W_OK) else partial).stat().st_mode
        yield partial
        with suppress(OSError):  # if the file system has no permissions
            partial.chmod(mode)  # safetensors lets only the owner read its files
        sync(partial)
        _rename(partial, target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _delivering(path: Path) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        partial = Path(folder) / "partial"
        partial.touch()
        yield partial
        deliver(partial, path)


def _rename(partial: Path, target: Path) -> None:
    """Replace a file by another. A mounted file can't be replaced; it gets the other's content."""
    try:
        partial.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        deliver(partial, target)


@contextmanager
def replacing_directory(target: Path, previous: Path | None = None) -> Iterator[Path]:
    """Give a new directory to fill, which then replaces `target`, whole or not at all.

    Only one process may write there; others may read at any time. A crash leaves the old directory or the new one. A
    crash between the two renamings leaves the old one as `previous`. Without `previous` the old one isn't kept, and
    `recover` puts it back after such a crash. Both paths may be links, which stay. A directory that is there keeps its
    permissions.
    """
    target = target if previous else destination(target)
    partial, old = beside(target, "partial"), beside(target, "old")
    _remove(old) if previous else recover(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if os.access(target, os.W_OK):
        with suppress(OSError):  # if the file system has no permissions
            partial.chmod(target.stat().st_mode)
    try:
        yield partial
        sync(partial)
    except (Exception, KeyboardInterrupt):
        shutil.rmtree(partial, ignore_errors=True)  # it would take room on a full disk
        raise
    if target.exists():
        if previous and previous.exists():
            rename_directory(previous, old)
        rename_directory(target, previous or old)
    rename_directory(partial, target)
    sync(target.parent)
    _remove(old)


def recover(target: Path) -> None:
    """Put back a directory after a crash between the two renamings. Only the process that writes it may do this."""
    old = beside(target, "old")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():
        rename_directory(old, target)


def _remove(directory: Path) -> None:
    """Remove a link to a directory, or as much of a directory as can be removed."""
    directory.unlink() if directory.is_symlink() else shutil.rmtree(directory, ignore_errors=True)


def beside(path: Path, suffix: str) -> Path:
    """A hidden path in the same directory."""
    name = os.fsencode(path.name)
    shown = path.name if len(name) <= LONGEST_NAME else hashlib.blake2b(name, digest_size=16).hexdigest()
    return path.with_name(f".{shown}.{suffix}")


def sync(path: Path) -> None:
    """Wait until a file, or a directory's list of names, is on the disk; OSError if the disk is full or fails.

    Nothing happens if the system doesn't support this.
    """
    is_directory = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if is_directory else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (NOT_FOR_DIRECTORIES if is_directory else UNSUPPORTED):
            raise


def rename_directory(directory: Path, target: Path) -> None:
    """Rename a directory, or copy it if it can't be renamed, as in a lower layer of a Docker image."""
    try:
        directory.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = beside(target, "copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(directory, copy)
        copy.rename(target)
        shutil.rmtree(directory)


def save_text(path: Path, content: str) -> None:
    """Write a text file in UTF-8, whole or not at all. File names in other encodings keep their bytes."""
    with replacing(path) as partial:
        partial.write_text(content, encoding="utf-8", errors="surrogateescape")


def append(path: Path, line: str) -> None:
    """Add a line to a text file. If that fails, the file stays as it was. A last line without an end is ended first."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab+") as file:
            file.seek(max(0, size - 1))
            file.write((b"" if file.read() in {b"", b"\n"} else b"\n") + line.encode())
    except OSError:
        with suppress(OSError):  # the first error matters more
            os.truncate(path, size)
        raise


def load_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects that `append` wrote, except for lines that a crash cut short; empty if there is no such file."""
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        with suppress(ValueError, RecursionError):
            lines.append(json.loads(line))
    return lines


def save_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    save_text(path, _json(content))


def load_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; InputError if it can't be read."""
    try:
        return parsed_json(path.read_bytes(), path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None


def parsed_json(text: bytes, path: Path) -> dict[str, Any]:
    """The JSON object in the text of the file `path`; InputError if there is none."""
    try:
        content = json.loads(text.decode())
    except (ValueError, RecursionError):  # also for a text that isn't UTF-8, a number too long, or lists too deep
        raise InputError(f"{path} is damaged: it isn't JSON.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged: it should hold a JSON object.")
    return content


def seal(directory: Path) -> None:
    """Write the digests of a directory's files into it, except for texts (.md), which people may edit."""
    files = (path for path in sorted(directory.iterdir()) if path.suffix != ".md" and path.name != DIGESTS)
    save_json(directory / DIGESTS, {path.name: digest(path) for path in files})


def verify(directory: Path, contents: Mapping[str, bytes] | None = None, but: Collection[str] = ()) -> None:
    """Check that each file is as it was when the directory was sealed.

    Args:
        directory: The sealed directory.
        contents: The contents of files that have been read already, by name. These files aren't opened again.
        but: Files that may have been replaced since.

    Raises:
        InputError: If a file is missing or differs; it's named. Or if the directory isn't sealed.
    """
    digests = load_json(directory / DIGESTS)
    if (directory / DIGESTS).read_text(encoding="utf-8") != _json(digests):
        raise InputError(f"{directory / DIGESTS} is damaged: it isn't what was written.")
    for name, written in ((name, written) for name, written in digests.items() if name not in but):
        if not (directory / name).is_file():
            raise InputError(f"{directory / name} is missing.")
        if digest((contents or {}).get(name, directory / name)) != written:
            raise InputError(f"{directory / name} is damaged: it isn't what was written (its digest differs).")


def is_sealed(directory: Path) -> bool:
    """True if the directory has digests for `verify`."""
    return (directory / DIGESTS).is_file()


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def digest(content: Path | bytes) -> str:
    """The BLAKE2b digest of a file or of bytes, in hexadecimal digits."""
    with content.open("rb") if isinstance(content, Path) else BytesIO(content) as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
