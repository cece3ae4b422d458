"""A file of records, whose damage is noticed, and costs only the records that it hits."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, error
from typing import BinaryIO, NamedTuple
from zlib import crc32

from glowflow.errors import InputError

MARK = b"\x8bglow\r\n\x1a"
"""Begins each record. A transfer that changes the ends of lines changes it, too."""
HEADER = Struct("<8s4sQI")
"""Mark, kind, length of the content, and checksum of the content. The checksum of these follows."""
CHECKSUM = Struct("<I")
LENGTH = HEADER.size + CHECKSUM.size
READ_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Record:
    """What was written: a kind, four bytes, and any content, which is read when it's needed."""

    kind: bytes
    length: int
    """Bytes of the content."""
    file: BinaryIO
    start: int
    """Where the content begins in the file."""

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """A part of the content: at most `length` bytes from `start` on, or all of them."""
        return b"".join(self.chunks(start, length))

    def chunks(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The same part, a megabyte at a time."""
        rest = self.length - start
        return _chunks(self.file, self.start + start, rest if length is None else min(length, rest))


class Damage(NamedTuple):
    """A part of a file that isn't what was written."""

    start: int
    """The first byte of it, from 0."""
    length: int


def write_record(file: BinaryIO, kind: bytes, content: bytes, path: Path | None = None) -> int:
    """Add a record to a file, and return how many bytes it takes.

    Args:
        file: Where to write it.
        kind: Four bytes.
        content: The content.
        path: A file of any size, which is the rest of the content.

    Raises:
        InputError: If that file changes meanwhile. It may grow; what is added isn't stored.
    """
    length = path.stat().st_size if path else 0
    before = _copied(content, path, length)
    header = HEADER.pack(MARK, kind, *before)
    file.write(header + CHECKSUM.pack(crc32(header)) + content)
    if not _copied(content, path, length, file) == before == (len(content) + length, before[1]):
        raise InputError(f"{path} has changed while it was being stored. Store it again.")
    return LENGTH + len(content) + length


def read_records(path: Path) -> Iterator[Record | Damage]:
    """The records of a file, one at a time, and in between the parts that are damaged.

    A record can be read until the next one is asked for.
    """
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < size:
            record = _record(file, at, size)
            length = LENGTH + record.length if record else _next(file, at + 1, size) - at
            yield record or Damage(at, length)
            at += length


def _record(file: BinaryIO, at: int, size: int) -> Record | None:
    """The record that begins at a place of a file; None if none does, or if it's damaged."""
    file.seek(at)
    header, checksum = file.read(HEADER.size), file.read(CHECKSUM.size)
    try:
        mark, kind, length, of_content = HEADER.unpack(header)
        (of_header,) = CHECKSUM.unpack(checksum)
    except error:
        return None
    if mark != MARK or of_header != crc32(header) or length > size - at - LENGTH:
        return None
    found = 0
    for chunk in _chunks(file, at + LENGTH, length):
        found = crc32(chunk, found)
    return Record(kind, length, file, at + LENGTH) if found == of_content else None


def _chunks(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """A part of a file, a megabyte at a time."""
    for at in range(start, start + length, READ_AT_ONCE):
        file.seek(at)
        yield file.read(min(READ_AT_ONCE, start + length - at))


def _copied(content: bytes, path: Path | None, length: int, to: BinaryIO | None = None) -> tuple[int, int]:
    """The number and the checksum of some bytes and the first `length` ones of a file, which are copied to another."""
    total, checksum = len(content), crc32(content)
    if path:
        with path.open("rb") as file:
            for chunk in _chunks(file, 0, length):
                total, checksum = total + len(chunk), crc32(chunk, checksum)
                if to:
                    to.write(chunk)
    return total, checksum


def _next(file: BinaryIO, start: int, size: int) -> int:
    """The first place from `start` on where an undamaged header begins; the file's end if there is none."""
    while start < size:
        file.seek(start)
        found = file.read(READ_AT_ONCE + LENGTH)
        place = found.find(MARK)
        while place >= 0:
            header = found[place : place + HEADER.size]
            if found[place + HEADER.size : place + LENGTH] == CHECKSUM.pack(crc32(header)):
                return start + place
            place = found.find(MARK, place + 1)
        start += READ_AT_ONCE
    return size
