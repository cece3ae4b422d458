"""Archives (.glow): the files of a folder, whose images a model has made small.

An archive is a file of records (`records.py`). The first says which model and how many files, and the last that nothing
is missing. Each of the others holds images of the model's shape, coded together, or one file of any other kind as it
is. The names are its index, so that they can be listed without the model and without the files. The times of images are
at the beginning of the images' stream, where they take hardly any room.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct, error
from typing import Any, NamedTuple, TypeAlias

from glowflow.codec.block import Way, check_block, unpacked
from glowflow.codec.digest import SIZE
from glowflow.codec.entries import LONGEST_TIME, Entry, UnlikeError, unpacked_entries, unpacked_times
from glowflow.codec.head import Head, other_model
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.pictures_alone import FORMATS, MODES, picture_file
from glowflow.codec.records import Damage, DamagedError, Record, read_records
from glowflow.errors import InputError

HEAD, IMAGES, FILE, END = b"head", b"imgs", b"file", b"end."
KEPT = Struct("<q")
"""Before the name of a file that is kept: its time."""
CODED = Struct(f"<{SIZE}sIHHI")
"""Before the names of images: digest of the model's integer form, number of images, and the way of the block, whose
stream begins with their times."""
MOST_TOLD = 20
"""Damages that are remembered."""


class File(NamedTuple):
    """A restored file."""

    entry: Entry
    time: int
    """When it was last changed, in nanoseconds since 1970."""
    content: Iterable[bytes]
    """In parts. DamagedError after the last one if the content isn't what was written."""


@dataclass(frozen=True)
class Kept:
    """A file that is kept as it is."""

    entries: list[Entry]
    record: Record
    time: int

    @classmethod
    def of(cls, record: Record) -> "Kept":
        """The file in a record; UnlikeError if there is none."""
        (time,) = _unpacked(KEPT, record)
        entries = unpacked_entries(record.index[KEPT.size :], 1)
        if entries[0].kind:
            raise UnlikeError("a file that is kept has the format of an image")
        return cls(entries, record, time)

    def files(self, _: Callable[[], IntegerModel], advance: Callable[[int], None]) -> Iterator[File]:
        """The file. `advance` is called with numbers of bytes of the archive that have been read."""
        yield File(self.entries[0], self.time, self.record.chunks())
        advance(self.record.length)


@dataclass(frozen=True)
class Coded:
    """Images that a model has coded together."""

    entries: list[Entry]
    record: Record
    digest: bytes
    way: Way

    @classmethod
    def of(cls, record: Record) -> "Coded":
        """The images in a record; UnlikeError if there are none."""
        digest, count, *numbers = _unpacked(CODED, record)
        entries, way = unpacked_entries(record.index[CODED.size :], count), Way(*numbers)
        if way.content > LONGEST_TIME * (count + 1) or not all(entry.kind in FORMATS for entry in entries):
            raise UnlikeError("a record of images has no times or formats of images")
        return cls(entries, record, digest, way)

    def files(self, model: Callable[[], IntegerModel], advance: Callable[[int], None]) -> Iterator[File]:
        """The file of each image. `advance` is called with numbers of bytes of the archive that have been read.

        Raises:
            InputError: If the images were coded with another model, or with one whose images have no format.
            DamagedError: If they are damaged, or can't be decoded.
        """
        integers, count = model(), len(self.entries)
        if self.digest != integers.digest:
            raise other_model(f"one of digest {self.digest.hex()}", integers)
        if integers.config.image_shape[0] not in MODES:
            raise UnlikeError("it has images of a model whose images have no format")
        each = self.record.length // count
        try:
            check_block(self.record.length, count, integers.config, self.way)
            content = self.record.read()
            images, content = unpacked(integers, content, count, self.way, lambda images: advance(each * images))
            times = unpacked_times(content, count)
        except InputError as error:
            raise DamagedError(self.record.damage) from error
        for entry, time, pixels in zip(self.entries, times, images.numpy(), strict=True):
            yield File(entry, time, [picture_file(pixels, entry.kind)])


Block: TypeAlias = Kept | Coded
"""Files that are read together."""


@dataclass
class Contents:
    """What is read of an archive besides its blocks."""

    head: Head | None = None
    """None if it's damaged."""
    is_complete: bool = False
    """True if the last record is there."""
    names: int = 0
    """How many files have been named."""
    damages: list[Damage] = field(default_factory=list)
    """The first ones."""

    def add(self, record: Record) -> Block | None:
        """Note what a record says; the block if it has files. UnlikeError if no archive has such a record here."""
        if record.kind == HEAD and not self.head:
            self.head = Head.unpacked(record.index)
        elif record.kind == END:
            self.is_complete = True
        elif record.kind in {IMAGES, FILE}:
            block = (Kept if record.kind == FILE else Coded).of(record)
            self.names += len(block.entries)
            if self.head and self.names > self.head.files:
                raise UnlikeError("it has more files than its head says")
            return block
        else:
            raise UnlikeError("a record is of no kind that it could be")
        return None

    def note(self, damage: Damage) -> None:
        """Note a damage."""
        self.damages = [*self.damages, damage][:MOST_TOLD]

    @property
    def nameless(self) -> int | None:
        """How many files are lost with their names; None if nobody knows."""
        return self.head.files - self.names if self.head else None


def read(path: Path, contents: Contents) -> Iterator[Block]:
    """The blocks of an archive, one at a time. What else there is, and what is damaged, is noted in `contents`.

    Raises:
        InputError: If the file isn't an archive, or one of a later version, or has what no archive has.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{path} is {kind}, and not an archive.")
    if not path.stat().st_size:
        raise InputError(f"{path} isn't a glowflow archive: it's empty.")
    for record in read_records(path):
        if isinstance(record, Damage):
            contents.note(record)
            if record.length == path.stat().st_size:
                raise InputError(f"{path} isn't a glowflow archive, or it is damaged from beginning to end.")
        elif block := contents.add(record):
            yield block


def head_of(path: Path) -> Head | None:
    """The head of an archive; None if it's damaged. InputError as for `read`."""
    contents = Contents()
    next(read(path, contents), None)
    return contents.head


def _unpacked(numbers: Struct, record: Record) -> tuple[Any, ...]:
    """The numbers at the beginning of an index."""
    try:
        return numbers.unpack(record.index[: numbers.size])
    except error:
        raise UnlikeError("an index is too short") from None
