"""Archives (.glow): the files of a folder, whose images a model has made small.

An archive is a file of records. The first says which model and how many files, and the last that nothing is missing.
Each of the others holds files: images of the model's shape, coded together, or one file of any other kind as it is. It
begins with an index of their names and times.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct, error
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from glowflow.codec.block import Way, packed, unpacked
from glowflow.codec.digest import SIZE
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.pictures_alone import picture_file, pixels_alone
from glowflow.codec.records import Damage, read_records, write_record
from glowflow.errors import InputError

VERSION = 1
HEAD, IMAGES, FILE, END = b"head", b"imgs", b"file", b"end."
CODED = Struct(f"<{SIZE}sHH")
"""Before the index of images: digest of the model's integer form, images at a time, lanes."""
INDEX = Struct("<I")
"""Before an index: its length in bytes."""
LARGEST_INDEX = 1 << 26
"""Bytes of an index that isn't compressed."""


class Entry(NamedTuple):
    """A file of an archive."""

    name: str
    """Its path in the folder, with slashes."""
    time: int
    """When it was last changed, in nanoseconds since 1970."""
    kind: str
    """The format of an image whose pixels the model has coded; empty for a file that is kept as it is."""


@dataclass
class Written:
    """What an archive consists of: numbers of files, and the bytes of their records."""

    images: int = 0
    image_bytes: int = 0
    files: int = 0
    file_bytes: int = 0


class Block(NamedTuple):
    """Files that are read together: images, or one file that is kept as it is (`way` is None then)."""

    entries: list[Entry]
    content: bytes
    digest: bytes = b""
    way: Way | None = None

    def files(self, model: IntegerModel) -> Iterator[tuple[Entry, bytes]]:
        """Each entry with the content of its file.

        Raises:
            InputError: If the images were coded with another model, or if they are damaged.
        """
        if self.way is None:
            yield self.entries[0], self.content
            return
        if self.digest != model.digest:
            raise InputError(
                f"The archive's images were coded with another model, of digest {self.digest.hex()}; "
                f"this one's is {model.digest.hex()}."
            )
        images = unpacked(model, self.content, len(self.entries), self.way).numpy()
        for entry, pixels in zip(self.entries, images, strict=True):
            yield entry, picture_file(pixels, entry.kind)


@dataclass
class Contents:
    """What is read of an archive besides its blocks."""

    head: dict[str, Any] = field(default_factory=dict)
    """The version, the number of files, and the digest, shape and bits of the model; empty if it's damaged."""
    is_complete: bool = False
    """True if the last record is there."""
    damages: list[Damage] = field(default_factory=list)


@dataclass
class Writer:
    """Writes an archive.

    Args:
        file: Where to write it.
        model: The integer form of the model.
        block: How many images are coded together. None of them can be had without decoding the others.
    """

    file: BinaryIO
    model: IntegerModel
    block: int
    written: Written = field(default_factory=Written)
    waiting: list[tuple[Entry, NDArray[np.uint8]]] = field(default_factory=list)

    def write(self, paths: Sequence[tuple[str, Path]], advance: Callable[[int], None]) -> Written:
        """Write the files with these names at these places. `advance` is called with numbers of files that are done."""
        about = self.model.config
        head = {"version": VERSION, "files": len(paths), "digest": self.model.digest.hex()}
        head |= {"image_shape": about.image_shape, "num_bits": about.num_bits}
        write_record(self.file, HEAD, json.dumps(head).encode())
        for name, path in paths:
            advance(self._add(name, path.read_bytes(), path.stat().st_mtime_ns))
        advance(self._write_waiting())
        write_record(self.file, END, b"")
        return self.written

    def _add(self, name: str, content: bytes, time: int) -> int:
        """Write a file, or have an image wait for others; returns how many files that makes."""
        about = self.model.config
        found = pixels_alone(content, about.image_shape, about.num_bits)
        if found:
            kind, pixels = found
            self.waiting.append((Entry(name, time, kind), pixels))
            return self._write_waiting() if len(self.waiting) == self.block else 0
        self.written.files += 1
        self.written.file_bytes += write_record(self.file, FILE, _with_index([Entry(name, time, "")], content))
        return 1

    def _write_waiting(self) -> int:
        """Write the images that wait; returns how many there were."""
        if not self.waiting:
            return 0
        entries, pixels = zip(*self.waiting, strict=True)
        way = Way.of(len(entries))
        content = _with_index(entries, packed(self.model, torch.from_numpy(np.stack(pixels)), way))
        self.waiting.clear()
        self.written.images += len(entries)
        self.written.image_bytes += write_record(self.file, IMAGES, CODED.pack(self.model.digest, *way) + content)
        return len(entries)


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
            contents.head = _head(path, record.content)
        elif record.kind == END:
            contents.is_complete = True
        elif record.kind == FILE:
            yield Block(*_indexed(path, record.content))
        else:
            yield _coded(path, record.content)


def _head(path: Path, content: bytes) -> dict[str, Any]:
    head = _json(path, content)
    if not isinstance(head, dict) or head.get("version") != VERSION or not isinstance(head.get("files"), int):
        raise InputError(f"{path} was written by another version of glowflow, which can read it.")
    return head


def _coded(path: Path, content: bytes) -> Block:
    try:
        digest, together, lanes = CODED.unpack_from(content)
    except error:
        raise _unlike(path, "a block is too short") from None
    return Block(*_indexed(path, content[CODED.size :]), digest, Way(together, lanes))


def _with_index(entries: Sequence[Entry], content: bytes) -> bytes:
    index = zlib.compress(json.dumps(entries).encode(), 9)
    return INDEX.pack(len(index)) + index + content


def _indexed(path: Path, content: bytes) -> tuple[list[Entry], bytes]:
    """The entries and the rest of what `_with_index` made."""
    try:
        end = INDEX.size + INDEX.unpack_from(content)[0]
        index = zlib.decompressobj().decompress(content[INDEX.size : end], LARGEST_INDEX)
    except (error, zlib.error):
        raise _unlike(path, "an index can't be read") from None
    entries = _json(path, index)
    if not isinstance(entries, list) or not entries:
        raise _unlike(path, "an index is empty")
    return [_entry(path, each) for each in entries], content[end:]


def _json(path: Path, text: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _unlike(path, "a part of it isn't JSON") from None


def _entry(path: Path, given: object) -> Entry:
    """An entry whose name leads nowhere but into the folder."""
    match given:
        case [str(name), int(time), str(kind)] if _is_inside(name) and kind in {"", "PNG", "PPM"}:
            return Entry(name, time, kind)
    raise _unlike(path, f"{given!r:.200} names no file of a folder")


def _is_inside(name: str) -> bool:
    """True for a relative path without detours, which Windows doesn't read in another way."""
    signs = '\\:*?"<>|\0' if os.name == "nt" else "\0"
    return not ({"..", ".", ""} & set(name.split("/")) or any(sign in name for sign in signs))


def _unlike(path: Path, reason: str) -> InputError:
    return InputError(f"{path} isn't as glowflow writes archives: {reason}.")
