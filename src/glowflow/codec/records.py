"""A file of records, whose damage is noticed, and costs only the records that it hits."""

from collections.abc import Iterator
from pathlib import Path
from struct import Struct, error
from typing import BinaryIO, NamedTuple
from zlib import crc32

MARK = b"\x8bglow\r\n\x1a"
"""Begins each record. A transfer that changes the ends of lines changes it, too."""
HEADER = Struct("<8s4sQI")
"""Mark, kind, length of the content, and checksum of the content. The checksum of these follows."""
CHECKSUM = Struct("<I")
LENGTH = HEADER.size + CHECKSUM.size
READ_AT_ONCE = 1 << 20


class Record(NamedTuple):
    """What was written: a kind, four bytes, and any content."""

    kind: bytes
    content: bytes


class Damage(NamedTuple):
    """A part of a file that isn't what was written."""

    start: int
    """The first byte of it, from 0."""
    length: int


def write_record(file: BinaryIO, kind: bytes, content: bytes) -> int:
    """Add a record to a file, and return how many bytes it takes."""
    header = HEADER.pack(MARK, kind, len(content), crc32(content))
    file.write(header + CHECKSUM.pack(crc32(header)))
    file.write(content)
    return LENGTH + len(content)


def read_records(path: Path) -> Iterator[Record | Damage]:
    """The records of a file, one at a time, and in between the parts that are damaged."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < size:
            record = _record(file, at, size)
            length = LENGTH + len(record.content) if record else _next(file, at + 1, size) - at
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
    content = file.read(length)
    return Record(kind, content) if crc32(content) == of_content else None


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
