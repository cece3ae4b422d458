"""Writing archives: images of the model's shape wait for others, and all other files are kept as they are."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import SEEK_END
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

from glowflow.codec.archive import CODED, END, FILE, HEAD, IMAGES, KEPT
from glowflow.codec.block import LARGEST_BLOCK, Way, packed
from glowflow.codec.entries import LONGEST_LIST, MOST_ENTRIES, TIMES, Entry, packed_entries, packed_times
from glowflow.codec.head import Head
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.pictures_alone import LARGEST_HEADER, pixels_alone, why_larger
from glowflow.codec.records import UnstoredError, reading, write_record


@dataclass
class Written:
    """What an archive consists of: numbers of files, and the bytes of their records."""

    images: int = 0
    image_bytes: int = 0
    files: int = 0
    file_bytes: int = 0
    source_bytes: int = 0
    """Bytes that all the files had before."""
    reasons: "Counter[str]" = field(default_factory=Counter)
    """Why files are kept as they are, and how many for each reason."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first file for each reason."""
    left_out: list[str] = field(default_factory=list)
    """Sentences on files that can't be read any more, or that change while they are stored."""


class Picture(NamedTuple):
    """An image that waits for others."""

    entry: Entry
    time: int
    pixels: NDArray[np.uint8]


Advance = Callable[[int, int, int], None]
"""Called with three numbers: files just finished; images coded so far; bits that these take."""


@dataclass
class Writer:
    """Writes an archive.

    Args:
        file: Where to write it.
        model: The integer form of the model.
        block: How many images are coded together, at most. They are decoded together, too: one image takes as long as
            all of them.
        name: What the user calls the model.
        advance: Reports the progress.
    """

    file: BinaryIO
    model: IntegerModel
    block: int
    name: str = ""
    advance: Advance = lambda files, images, bits: None
    written: Written = field(default_factory=Written)
    number: int = 0
    """That of the archive's records."""
    waiting: list[Picture] = field(default_factory=list)
    names: int = 0
    """Bytes of the names of those that wait."""

    def __post_init__(self) -> None:
        self.block = min(self.block, MOST_ENTRIES, max(1, LARGEST_BLOCK // prod(self.model.config.image_shape)))

    def write(self, paths: Sequence[tuple[str, Path]]) -> Written:
        """Write the files with these names at these places, without those that can't be read."""
        self.number = _number(paths)
        head = Head.of(len(paths), self.name, self.model)
        self._record(HEAD, head.packed())
        for name, path in paths:
            place = self.file.tell()
            try:
                self._add(name, path)
            except UnstoredError as error:
                self.written.left_out.append(str(error))
                self.file.seek(place)
                self.file.truncate()
                self._say(1, 0, 0)
        self._write_waiting()
        self._record(END, b"")
        if lacking := len(self.written.left_out):
            self.file.seek(0)
            self._record(HEAD, head.with_files(len(paths) - lacking))
            self.file.seek(0, SEEK_END)
        return self.written

    def _record(self, kind: bytes, index: bytes, content: bytes | Path = b"") -> int:
        return write_record(self.file, kind, index, content, self.number)

    def _add(self, name: str, path: Path) -> None:
        """Have an image wait for others, or write another file; UnstoredError if it can't be read."""
        about = self.model.config
        longest = 2 * about.num_dims + LARGEST_HEADER
        with reading(path):
            status = path.stat()
            with path.open("rb") as file:
                content = file.read(longest + 1)
        is_larger = len(content) > longest
        found = why_larger(content) if is_larger else pixels_alone(content, about.image_shape, about.num_bits)
        if isinstance(found, str):
            self._keep(name, path, status.st_mtime_ns)
            self.written.reasons[found] += 1
            self.written.examples.setdefault(found, name)
        else:
            self._wait(Picture(Entry(name, found[0]), status.st_mtime_ns, found[1]))
        self.written.source_bytes += status.st_size

    def _wait(self, picture: Picture) -> None:
        """Have an image wait for others, until these are a block or their names are many."""
        if self.names + picture.entry.size > LONGEST_LIST:
            self._write_waiting()
        self.waiting.append(picture)
        self.names += picture.entry.size
        if len(self.waiting) == self.block:
            self._write_waiting()

    def _keep(self, name: str, path: Path, time: int) -> None:
        """Write a file as it is."""
        index = KEPT.pack(min(max(time, TIMES.min), TIMES.max)) + packed_entries([Entry(name, "")])
        self.written.file_bytes += self._record(FILE, index, path)
        self.written.files += 1
        self._say(1, 0, 0)

    def _write_waiting(self) -> None:
        """Write the images that wait, if there are any."""
        if not self.waiting:
            return
        entries, times, pixels = zip(*self.waiting, strict=True)
        self.waiting.clear()
        self.names = 0
        images, content = torch.from_numpy(np.stack(pixels)), packed_times(times)
        del pixels  # they take as much memory as the images
        way, done = Way.of(len(entries), self.model.config.num_dims, len(content)), 0

        def advance(count: int, length: int) -> None:
            nonlocal done
            done += count
            self._say(count, done, length)

        block = packed(self.model, images, way, content, advance)
        index = CODED.pack(self.model.digest, len(entries), *way) + packed_entries(entries)
        self.written.image_bytes += self._record(IMAGES, index, block)
        self.written.images += len(entries)

    def _say(self, files: int, images: int, length: int) -> None:
        """Report files that are done, and the images and the bits of the block that isn't written yet."""
        self.advance(files, self.written.images + images, 8 * self.written.image_bytes + length)


def _number(paths: Sequence[tuple[str, Path]]) -> int:
    """A number for an archive of these files. An archive that is one of them has another number."""
    number = 0
    for name, path in paths:
        with suppress(OSError):  # a file that can't be read is left out later
            status = path.stat()
            about = f"{name}\0{status.st_size} {status.st_mtime_ns}\0"
            number = crc32(about.encode("utf-8", "surrogatepass"), number)
    return number
