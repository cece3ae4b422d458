"""A file of records, whose damage is noticed, and costs only the records that it hits."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple
from zlib import crc32

from glowflow.errors import InputError, shown

MARK = b"\x8bglow\r\n\x1a"
"""Begins each record. A transfer that changes the ends of lines changes it, too."""
HEADER = Struct("<8s4sIIQI")
"""Mark, kind, number of the file, length of the index, and length and checksum of the content."""
CHECKSUM = Struct("<I")
"""The checksum of header and index, between which it stands."""
LENGTH = HEADER.size + CHECKSUM.size
LONGEST_INDEX = 1 << 25
READ_AT_ONCE = 1 << 20


class DamagedError(InputError):
    """The error for a content that isn't what was written."""

    def __init__(self, damage: "Damage") -> None:
        self.damage = damage
        super().__init__(f"The record of {damage.length:,} bytes from byte {damage.start:,} on is damaged.")


class UnstoredError(InputError):
    """The error for a file that can't be read, or that changes while it's stored."""


class Damage(NamedTuple):
    """A part of a file that isn't what was written."""

    start: int
    """The first byte of it, from 0."""
    length: int


@dataclass(frozen=True)
class Record:
    """What was written: a kind, four bytes; an index, which is intact; a content, which is read when it's needed."""

    kind: bytes
    index: bytes
    number: int
    """The same for all records of a file, and another one for a file that is the content of a record."""
    file: BinaryIO
    start: int
    """Where the record begins in the file."""
    length: int
    """Bytes of the content."""
    checksum: int
    """Of the content."""

    @property
    def end(self) -> int:
        """Where the next record should begin."""
        return self._place + self.length

    @property
    def damage(self) -> Damage:
        """The place of the whole record."""
        return Damage(self.start, self.end - self.start)

    @property
    def _place(self) -> int:
        return self.start + LENGTH + len(self.index)

    def chunks(self) -> Iterator[bytes]:
        """The content, a megabyte at a time; DamagedError after its end if it isn't what was written."""
        length = checksum = 0
        for chunk in _chunks(self.file, self._place, self.length):
            length, checksum = length + len(chunk), crc32(chunk, checksum)
            yield chunk
        if (length, checksum) != (self.length, self.checksum):
            raise DamagedError(self.damage)

    def read(self) -> bytes:
        """The whole content; DamagedError if it isn't what was written."""
        return b"".join(self.chunks())

    def is_intact(self) -> bool:
        """True if the content is what was written."""
        try:
            return all(True for _ in self.chunks())
        except DamagedError:
            return False


def write_record(file: BinaryIO, kind: bytes, index: bytes, content: bytes | Path = b"", number: int = 0) -> int:
    """Add a record to a file, and return how many bytes it takes.

    Args:
        file: Where to write it.
        kind: Four bytes.
        index: What can be read without the content.
        content: The content, or a file of any size that has it.
        number: The same for all records of the file.

    Raises:
        UnstoredError: If a file with the content can't be read, or changes meanwhile. It may grow; what is added isn't
            stored. A part of the record may have been written.
    """
    length = _size(content)
    before = _copied(_parts(content, length))
    header = HEADER.pack(MARK, kind, number, len(index), *before)
    file.write(header + CHECKSUM.pack(crc32(index, crc32(header))) + index)
    if not _copied(_parts(content, length), file) == before == (length, before[1]):
        raise UnstoredError(f"{shown(str(content))} has changed while it was being stored.")
    return LENGTH + len(index) + length


def read_records(path: Path) -> Iterator[Record | Damage]:
    """The records of a file whose indexes are intact, one at a time, and in between the parts where there are none.

    A record can be read until the next one is asked for. The next one stands behind its content, also if the content is
    damaged. If no record begins there, the content is searched for one, because bytes may have been lost or added. A
    content that is such a file itself has records of another number, which aren't taken for this file's.

    Raises:
        InputError: If nothing tells the file's own records from those of such a content.
    """
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        number = _number(file, size)
        while at < size:
            record = _record(file, at, size, number)
            if record:
                yield record
                at = _after(record, size)
            else:
                end = _next(file, at + 1, size, number)
                yield Damage(at, end - at)
                at = end


def _number(file: BinaryIO, size: int) -> int | None:
    """The number of the file's records: that of the first one or, if it's damaged, of the last one, without a content.

    If both are damaged, it's that of the other records; None if there are none.
    """
    for place in (0, max(size - LENGTH, 0)):
        if record := _record(file, place, size, None):
            return record.number
    numbers, at = set[int](), _next(file, 0, size, None)
    while at < size:
        if record := _record(file, at, size, None):
            numbers.add(record.number)
        at = _next(file, at + 1, size, None)
    if len(numbers) > 1:
        raise InputError(
            f"{file.name} is damaged at its beginning and at its end, and it holds another archive: nothing tells its "
            "own files from those of the other one."
        )
    return next(iter(numbers), None)


def _record(file: BinaryIO, at: int, size: int, number: int | None) -> Record | None:
    """The record that begins at a place of a file; None if none does, or if its index is damaged."""
    file.seek(min(at, size))
    header, checksum = file.read(HEADER.size), file.read(CHECKSUM.size)
    if len(header) < HEADER.size:
        return None
    mark, kind, found, of_index, length, of_content = HEADER.unpack(header)
    if mark != MARK or number not in {None, found} or of_index > LONGEST_INDEX:
        return None
    index = file.read(of_index)
    if len(index) < of_index or checksum != CHECKSUM.pack(crc32(index, crc32(header))):
        return None
    return Record(kind, index, found, file, at, length, of_content)


def _after(record: Record, size: int) -> int:
    """Where the next record begins, or where it should begin if there is none."""
    is_followed = record.end == size or _record(record.file, record.end, size, record.number)
    if is_followed or record.is_intact():
        return record.end
    return _next(record.file, record.start + 1, size, record.number)


def _next(file: BinaryIO, start: int, size: int, number: int | None) -> int:
    """The first place from `start` on where a record begins; the file's end if there is none."""
    while start < size:
        file.seek(start)
        found = file.read(READ_AT_ONCE + len(MARK) - 1)
        place = found.find(MARK)
        while place >= 0:
            if _record(file, start + place, size, number):
                return start + place
            place = found.find(MARK, place + 1)
        start += READ_AT_ONCE
    return size


def _chunks(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """A part of a file, a megabyte at a time, as far as the file has it."""
    for at in range(start, start + length, READ_AT_ONCE):
        file.seek(at)
        chunk = file.read(min(READ_AT_ONCE, start + length - at))
        if not chunk:
            return
        yield chunk


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise an UnstoredError, which names the file, for an error of the system."""
    try:
        yield
    except OSError as error:
        raise UnstoredError(f"{shown(str(path))} can't be read: {error.strerror or error}.") from error


def _size(content: bytes | Path) -> int:
    if isinstance(content, bytes):
        return len(content)
    with reading(content):
        return content.stat().st_size


def _parts(content: bytes | Path, length: int) -> Iterator[bytes]:
    """Some bytes, or the first `length` ones of a file, in parts."""
    if isinstance(content, bytes):
        yield content
        return
    with reading(content), content.open("rb") as file:
        yield from _chunks(file, 0, length)


def _copied(parts: Iterable[bytes], to: BinaryIO | None = None) -> tuple[int, int]:
    """The number and the checksum of some bytes, which are copied to a file."""
    length = checksum = 0
    for part in parts:
        length, checksum = length + len(part), crc32(part, checksum)
        if to:
            to.write(part)
    return length, checksum
