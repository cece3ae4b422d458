"""TensorFlow's TFRecord files, read without TensorFlow: records, each with two checksums, that hold features.

A record is its length (8 bytes, little-endian), the masked CRC-32C of that (4), its content, and the masked CRC-32C of
the content (4). The content is a protocol buffer, tf.train.Example: a map from names to lists of bytes or of numbers.
"""

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowflow.data.published.reading import record, refused
from glowflow.errors import InputError

HEADER = struct.Struct("<QI")
CASTAGNOLI = 0x82F63B78
"""The polynomial of CRC-32C, its bits reversed."""
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""The kinds of fields of a protocol buffer."""

Value = bytes | int
Feature = bytes | list[int]


def offsets(path: Path) -> NDArray[np.int64]:
    """The start of each record of a file; InputError if a length is wrong or the file is cut off."""
    found, at, size = [], 0, path.stat().st_size
    with refused(path), path.open("rb") as file:
        while at < size:
            found.append(at)
            file.seek(at)
            at += HEADER.size + _length(file.read(HEADER.size), record(path, len(found) - 1)) + 4
    if at > size:
        raise InputError(f"{record(path, len(found) - 1)}, is cut off: get the file again.")
    return np.array(found, np.int64)


def contents(path: Path, start: int, at: int) -> Iterator[bytes]:
    """The records of a file from number `start`, at byte `at`, on; InputError if one is corrupt."""
    with refused(path), path.open("rb") as file:
        file.seek(at)
        number = start
        while header := file.read(HEADER.size):
            length = _length(header, record(path, number))
            content, checksum = file.read(length), file.read(4)
            if len(checksum) < 4 or _masked(content) != int.from_bytes(checksum, "little"):
                raise InputError(f"{record(path, number)}, is corrupt: its checksum is wrong; get the file again.")
            yield content
            number += 1


def _length(header: bytes, where: str) -> int:
    if len(header) < HEADER.size:
        raise InputError(f"{where}, is cut off: get the file again.")
    length, checksum = HEADER.unpack(header)
    if _masked(header[:8]) != checksum:
        raise InputError(f"{where}, is corrupt: the checksum of its length is wrong; get the file again.")
    return int(length)


def _masked(content: bytes) -> int:
    """The masked checksum, which TFRecord files store."""
    crc = _crc32c()(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _crc32c() -> Callable[[bytes], int]:
    """The function of the package google-crc32c, which is a hundred times as fast as ours, if it's installed."""
    try:
        from google_crc32c import value  # noqa: PLC0415
    except ImportError:
        return slow_crc32c
    return value


def slow_crc32c(content: bytes) -> int:
    """CRC-32C, byte by byte.

    >>> hex(slow_crc32c(b"123456789"))
    '0xe3069283'
    """
    table, crc = _table(), 0xFFFFFFFF
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    """The change of the checksum by each byte."""
    values = list(range(256))
    for _ in range(8):
        values = [value >> 1 ^ (CASTAGNOLI if value & 1 else 0) for value in values]
    return tuple(values)


def features(content: bytes, where: str) -> dict[str, Feature]:
    """The features of a record by name: bytes (the first of a list) or whole numbers. Other numbers are left out."""
    with refused(where):
        maps = _fields(content)[1]
        entries = [_fields(entry) for part in maps for entry in _fields(part)[1]]
        return {_bytes(entry[1][-1]).decode(): _feature(entry[2]) for entry in entries}


def _feature(values: Sequence[Value]) -> Feature:
    """A feature: field 1 is a list of bytes, field 3 one of integers."""
    kinds = _fields(values[-1] if values else b"")
    if 1 in kinds:
        return next((_bytes(item) for item in _fields(kinds[1][-1])[1]), b"")
    return [number for each in kinds[3] for item in _fields(each)[1] for number in _integers(item)]


def _integers(value: Value) -> Iterator[int]:
    """The integers of a list's field, which holds one integer or several packed ones."""
    if isinstance(value, int):
        yield _signed(value)
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield _signed(number)


def _fields(message: Value) -> defaultdict[int, list[Value]]:
    """The values of each field of a protocol buffer's message, by its number."""
    content, at = _bytes(message), 0
    fields: defaultdict[int, list[Value]] = defaultdict(list)
    while at < len(content):
        tag, at = _varint(content, at)
        if tag & 7 == VARINT:
            value, at = _varint(content, at)
            fields[tag >> 3].append(value)
            continue
        length, at = _varint(content, at) if tag & 7 == DELIMITED else ({FIXED64: 8, FIXED32: 4}[tag & 7], at)
        if at + length > len(content):
            raise ValueError("a field is cut off")
        fields[tag >> 3].append(content[at : at + length])
        at += length
    return fields


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number stored with seven bits in a byte, lowest first, and the position behind it."""
    number = shift = 0
    while True:
        byte = content[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where there should be bytes")
    return value
