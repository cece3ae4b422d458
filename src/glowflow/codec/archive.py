"""Archives (.glow): the files of a folder, whose images a model has made small.

An archive is a file of records (`records.py`). The first says which model and how many files, and the last that nothing
is missing. Each of the others holds images of the model's shape, coded together, or one file of any other kind as it
is. It begins with the names, so that they can be listed without the model. Times of images are at the beginning of the
images' stream, where they take hardly any room.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct, error
from typing import Any, NamedTuple, TypeAlias

from glowflow.codec.block import Way, unpacked
from glowflow.codec.digest import SIZE
from glowflow.codec.entries import Entry, UnlikeError, unpacked_entries, unpacked_times
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.pictures_alone import picture_file
from glowflow.codec.records import Damage, Record, read_records
from glowflow.errors import InputError

VERSION = 1
HEAD, IMAGES, FILE, END = b"head", b"imgs", b"file", b"end."
LONGEST_HEAD = 1 << 12
KEPT = Struct("<II")
"""Before the name and the time of a file that is kept: the bytes of each."""
CODED = Struct(f"<{SIZE}sIIHHI")
"""Before the names of images: digest of the model's integer form, number of images, bytes of their names, and the way
of the block, whose stream begins with their times."""


class File(NamedTuple):
    """A file that has been got back."""

    entry: Entry
    time: int
    """When it was last changed, in nanoseconds since 1970."""
    content: Iterable[bytes]
    """In parts."""


@dataclass(frozen=True)
class Kept:
    """A file that is kept as it is."""

    entries: list[Entry]
    time: int
    record: Record
    start: int
    """Where its content begins in the record."""

    @classmethod
    def of(cls, record: Record) -> "Kept":
        """The file in a record; UnlikeError if there is none."""
        names, times = _unpacked(KEPT, record)
        start = KEPT.size + names + times
        entries = unpacked_entries(record.read(KEPT.size, names), 1)
        (time,) = unpacked_times(record.read(KEPT.size + names, times), 1)
        return cls(entries, time, record, start)

    def files(self, _: IntegerModel, advance: Callable[[int], None]) -> Iterator[File]:
        """The file. `advance` is called with numbers of bytes of the archive that have been read."""
        yield File(self.entries[0], self.time, self.record.chunks(self.start))
        advance(self.record.length)


@dataclass(frozen=True)
class Coded:
    """Images that a model has coded together."""

    entries: list[Entry]
    record: Record
    start: int
    """Where the block begins in the record."""
    digest: bytes
    way: Way

    @classmethod
    def of(cls, record: Record) -> "Coded":
        """The images in a record; UnlikeError if there are none."""
        digest, count, names, *way = _unpacked(CODED, record)
        entries = unpacked_entries(record.read(CODED.size, names), count)
        return cls(entries, record, CODED.size + names, digest, Way(*way))

    def files(self, model: IntegerModel, advance: Callable[[int], None]) -> Iterator[File]:
        """The file of each image. `advance` is called with numbers of bytes of the archive that have been read.

        Raises:
            InputError: If the images were coded with another model, or if they are damaged.
        """
        if self.digest != model.digest:
            raise InputError(
                f"The archive's images were coded with another model, of digest {self.digest.hex()}; "
                f"this one's is {model.digest.hex()}."
            )
        count = len(self.entries)
        block = self.record.read(self.start)
        each = self.record.length // count
        images, content = unpacked(model, block, count, self.way, lambda images: advance(each * images))
        for entry, time, pixels in zip(self.entries, unpacked_times(content, count), images.numpy(), strict=True):
            yield File(entry, time, [picture_file(pixels, entry.kind)])


Block: TypeAlias = Kept | Coded
"""Files that are read together."""


@dataclass
class Contents:
    """What is read of an archive besides its blocks."""

    head: dict[str, Any] = field(default_factory=dict)
    """The version, the number of files, and the digest, shape and bits of the model; empty if it's damaged."""
    is_complete: bool = False
    """True if the last record is there."""
    damages: list[Damage] = field(default_factory=list)


def read(path: Path, contents: Contents) -> Iterator[Block]:
    """The blocks of an archive, one at a time. What else there is, and what is damaged, is noted in `contents`.

    Raises:
        InputError: If the file isn't an archive, or one of a later version, or has what no archive has.
    """
    for record in read_records(path):
        if isinstance(record, Damage):
            contents.damages.append(record)
            if record.length == path.stat().st_size:
                raise InputError(f"{path} is no archive: nothing in it is as glowflow writes it.")
        elif record.kind == HEAD:
            contents.head = _head(path, record)
        elif record.kind == END:
            contents.is_complete = True
        else:
            yield _block(record)


def _block(record: Record) -> Block:
    if record.kind not in {IMAGES, FILE}:
        raise UnlikeError("a record is of no kind that there is")
    return (Kept if record.kind == FILE else Coded).of(record)


def _head(path: Path, record: Record) -> dict[str, Any]:
    try:
        head = json.loads(record.read(length=LONGEST_HEAD))
    except (ValueError, RecursionError):
        raise UnlikeError("its head isn't JSON") from None
    if not isinstance(head, dict) or head.get("version") != VERSION or type(head.get("files")) is not int:
        raise InputError(f"{path} was written by another version of glowflow, which can read it.")
    return head


def _unpacked(numbers: Struct, record: Record) -> tuple[Any, ...]:
    """The numbers at the beginning of a record."""
    try:
        return numbers.unpack(record.read(length=numbers.size))
    except error:
        raise UnlikeError("a record is too short") from None
