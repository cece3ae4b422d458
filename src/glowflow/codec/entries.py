"""The files of a record of an archive: their names, formats and times, as bytes."""

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from glowflow.codec.pictures_alone import FORMATS
from glowflow.errors import InputError

MOST_ENTRIES = 1 << 16
"""Files of a record, at most."""
LONGEST_NAME, LONGEST_LIST = 1 << 17, 1 << 24
"""Bytes of a name, and of all names and formats of a record, at most."""
DEEPEST = 100
"""Parts of a name, at most: a file may be in this many folders less one."""
KINDS = ("", *FORMATS)
TIMES = np.iinfo(np.int64)
LONGEST_TIME = 16
"""Bytes of a packed time, at most; a list of n times takes no more than n + 1 of them."""


class Entry(NamedTuple):
    """A file of an archive."""

    name: str
    """Its path in the folder, with slashes."""
    kind: str
    """The format of an image whose pixels the model has coded; empty for a file that is kept as it is."""

    @property
    def size(self) -> int:
        """The bytes that it adds to a list."""
        return sum(len(_bytes(part)) + 1 for part in self)


class UnlikeError(InputError):
    """The error for something that no archive has."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The archive isn't as glowflow writes it: {reason}.")


def packed_entries(entries: Iterable[Entry]) -> bytes:
    """Names and formats as bytes."""
    return zlib.compress(_bytes("\0".join(part for entry in entries for part in entry)), 9)


def unpacked_entries(data: bytes, count: int) -> list[Entry]:
    """The entries of which `packed_entries` has made these bytes.

    Raises:
        UnlikeError: If it can't have made them, or if a name leads out of the folder.
    """
    if not 1 <= count <= MOST_ENTRIES:
        raise UnlikeError(f"a record has {count:,} files")
    parts = _inflated(data, min(count * LONGEST_NAME, LONGEST_LIST)).split(b"\0", 2 * count)
    if len(parts) != 2 * count:
        raise UnlikeError("a list of names has another length")
    texts = [_text(part) for part in parts]
    return [_checked(Entry(*pair)) for pair in zip(texts[::2], texts[1::2], strict=True)]


def packed_times(times: Sequence[int]) -> bytes:
    """When files were last changed, in nanoseconds since 1970, as bytes.

    Each time but the first is given by its difference from the one before. The differences mostly have zeros at the
    same places, which stand together.
    """
    fitting = np.array([min(max(time, TIMES.min), TIMES.max) for time in times], "<i8")
    with np.errstate(over="ignore"):
        differences = np.diff(fitting, prepend=np.int64(0)).astype("<i8")
    return zlib.compress(differences.view(np.uint8).reshape(-1, 8).T.tobytes(), 9)


def unpacked_times(data: bytes, count: int) -> list[int]:
    """The times of which `packed_times` has made these bytes; UnlikeError if it can't have made them."""
    numbers = np.frombuffer(_inflated(data, 8 * count), np.uint8)
    if len(numbers) != 8 * count:
        raise UnlikeError("a list of times has another length")
    differences = np.ascontiguousarray(numbers.reshape(8, -1).T).view("<i8").ravel()
    return [int(time) for time in np.cumsum(differences)]


def _inflated(data: bytes, limit: int) -> bytes:
    """What zlib has compressed, if it's no more than `limit` bytes."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, limit + 1)
    except zlib.error:
        raise UnlikeError("a list can't be read") from None
    if not stream.eof or len(found) > limit:
        raise UnlikeError("a list has another length")
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(part: bytes) -> str:
    try:
        return part.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise UnlikeError(f"{part!r:.200} is no text") from None


def _checked(entry: Entry) -> Entry:
    """An entry whose name leads nowhere but into the folder."""
    parts = entry.name.split("/")
    if {"..", ".", ""} & set(parts) or len(parts) > DEEPEST or entry.kind not in KINDS:
        raise UnlikeError(f"{tuple(entry)!r:.200} is no file of a folder")
    return entry
