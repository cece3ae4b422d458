"""Writing archives: images of the model's shape wait for others, and all other files are kept as they are."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from glowflow.codec.archive import CODED, END, FILE, HEAD, IMAGES, KEPT, VERSION
from glowflow.codec.block import LARGEST_BLOCK, Way, packed
from glowflow.codec.entries import MOST_ENTRIES, Entry, packed_entries, packed_times
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.pictures_alone import LARGEST_HEADER, pixels_alone
from glowflow.codec.records import write_record


@dataclass
class Written:
    """What an archive consists of: numbers of files, and the bytes of their records."""

    images: int = 0
    image_bytes: int = 0
    files: int = 0
    file_bytes: int = 0


class Picture(NamedTuple):
    """An image that waits for others."""

    entry: Entry
    time: int
    pixels: NDArray[np.uint8]


Advance = Callable[[int, int, int], None]
"""Is called with numbers of files that are done, and of all images and bits so far that the model has coded."""


@dataclass
class Writer:
    """Writes an archive.

    Args:
        file: Where to write it.
        model: The integer form of the model.
        block: How many images are coded together, at most. None of them can be had without decoding the others.
    """

    file: BinaryIO
    model: IntegerModel
    block: int
    advance: Advance = lambda files, images, bits: None
    written: Written = field(default_factory=Written)
    waiting: list[Picture] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.block = min(self.block, MOST_ENTRIES, max(1, LARGEST_BLOCK // prod(self.model.config.image_shape)))

    def write(self, paths: Sequence[tuple[str, Path]]) -> Written:
        """Write the files with these names at these places."""
        about = self.model.config
        head = {"version": VERSION, "files": len(paths), "digest": self.model.digest.hex()}
        head |= {"image_shape": about.image_shape, "num_bits": about.num_bits}
        write_record(self.file, HEAD, json.dumps(head).encode())
        for name, path in paths:
            self._add(name, path)
            if len(self.waiting) == self.block:
                self._write_waiting()
        if self.waiting:
            self._write_waiting()
        write_record(self.file, END, b"")
        return self.written

    def _add(self, name: str, path: Path) -> None:
        """Have an image wait for others, or write another file."""
        about, status = self.model.config, path.stat()
        is_small = status.st_size <= 2 * about.num_dims + LARGEST_HEADER
        found = pixels_alone(path.read_bytes(), about.image_shape, about.num_bits) if is_small else None
        if found:
            kind, pixels = found
            self.waiting.append(Picture(Entry(name, kind), status.st_mtime_ns, pixels))
        else:
            self._keep(name, path, status.st_mtime_ns)

    def _keep(self, name: str, path: Path, time: int) -> None:
        """Write a file as it is."""
        names, times = packed_entries([Entry(name, "")]), packed_times([time])
        index = KEPT.pack(len(names), len(times)) + names + times
        self.written.files += 1
        self.written.file_bytes += write_record(self.file, FILE, index, path)
        self._say(1, 0, 0)

    def _write_waiting(self) -> None:
        """Write the images that wait."""
        entries, times, pixels = zip(*self.waiting, strict=True)
        self.waiting.clear()
        images, names, content = torch.from_numpy(np.stack(pixels)), packed_entries(entries), packed_times(times)
        way, done = Way.of(len(entries), self.model.config.num_dims, len(content)), 0

        def advance(count: int, length: int) -> None:
            nonlocal done
            done += count
            self._say(count, done, length)

        block = packed(self.model, images, way, content, advance)
        index = CODED.pack(self.model.digest, len(entries), len(names), *way) + names
        self.written.image_bytes += write_record(self.file, IMAGES, index + block)
        self.written.images += len(entries)

    def _say(self, files: int, images: int, length: int) -> None:
        """Report files that are done, and the images and the bits of the block that isn't written yet."""
        self.advance(files, self.written.images + images, 8 * self.written.image_bytes + length)
