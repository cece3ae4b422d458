"""Image files that hold pixels and nothing else, so that their pixels say all about them."""

from collections.abc import Iterator
from io import BytesIO
from struct import unpack_from
from typing import TypeAlias
from zlib import crc32, decompressobj
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.shapes import Shape

PNG_BEGINS, PNM_BEGINS = b"\x89PNG\r\n\x1a\n", (b"P5", b"P6")
PLACE_OF_DEPTH, PLACE_OF_INTERLACING = 24, 28
"""Where a PNG file says how many bits a value has, and whether its rows are interlaced."""
MODES = {1: "L", 3: "RGB"}
FORMATS = ("PNG", "PPM")
LARGEST_HEADER = 1 << 16
"""A file of pixels alone has fewer bytes than this and two for each value."""

OTHER_FORMAT, OTHER_SIZE, OTHER_CHANNELS = "another format", "another size", "other channels"
MORE, INTERLACED, DAMAGED = "transparency, a palette, 16 bits or metadata", "interlaced rows", "damage"
LARGER = "more bytes than such an image has"
"""Why the model can't code a file."""

Pixels: TypeAlias = tuple[str, NDArray[np.uint8]]
"""The format of an image file, and its pixels (C, H, W)."""


def pixels_alone(content: bytes, shape: Shape, num_bits: int) -> Pixels | str:
    """The pixels of an image file that a model of this shape can code; for other files, why it can't.

    The model codes PNG files of 8 bits without transparency, palette, text or other additions, and PGM and PPM files
    without comments. Every value has to be a multiple of 2^(8 - n).
    """
    if reason := _other_file(content):
        return reason
    channels, height, width = shape
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.size != (width, height):
                return OTHER_SIZE
            if image.mode != MODES.get(channels):
                return OTHER_CHANNELS
            pixels, kind = np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1), str(image.format)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return DAMAGED
    if (pixels & (step(num_bits) - 1)).any():
        return f"values that aren't multiples of {step(num_bits)}"
    if kind == "PNG":
        more = _other_rows(content, height * (1 + width * channels))
    else:
        more = "" if picture_file(pixels, kind) == content else MORE
    return more or (kind, pixels)


def why_larger(begins: bytes) -> str:
    """Why the model can't code a file with more bytes than an image of its shape has, given the file's first bytes."""
    return LARGER if begins.startswith((PNG_BEGINS, *PNM_BEGINS)) else OTHER_FORMAT


def step(num_bits: int) -> int:
    """The number of which all values of an image of n bits are multiples.

    >>> step(8), step(5)
    (1, 8)
    """
    return 1 << (8 - num_bits)


def coded_files(shape: Shape, num_bits: int) -> str:
    """Which files a model of this shape can code, in words.

    >>> coded_files((3, 32, 64), 5)
    'PNG and PPM files of 64x32 pixels in RGB whose values are multiples of 8'
    """
    channels, height, width = shape
    if channels not in MODES:
        return f"no files, because images of {channels} channels have no format"
    kind = "PNG and PGM files of {}x{} pixels in grey" if channels == 1 else "PNG and PPM files of {}x{} pixels in RGB"
    values = "" if num_bits == 8 else f" whose values are multiples of {step(num_bits)}"
    return kind.format(width, height) + values


def picture_file(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """A file with pixels (C, H, W)."""
    file = BytesIO()
    squeezed = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(squeezed).save(file, kind)
    return file.getvalue()


def _other_file(content: bytes) -> str:
    """Why a file isn't a PNG, PGM or PPM file that may have pixels alone; empty if it may be one."""
    if not content.startswith(PNG_BEGINS):
        return "" if content.startswith(PNM_BEGINS) else OTHER_FORMAT
    *chunks, last = _chunks(content)
    if last == b"":
        return DAMAGED
    kinds = [chunk[:4] for chunk in chunks]
    if kinds[:1] != [b"IHDR"] or set(kinds[1:]) != {b"IDAT"} or last != b"IEND" or content[PLACE_OF_DEPTH] != 8:
        return MORE
    return INTERLACED if content[PLACE_OF_INTERLACING] else ""


def _other_rows(png: bytes, size: int) -> str:
    """Why a PNG file's compressed rows aren't all of its pixels, `size` bytes, and nothing else; empty if they are."""
    stream = decompressobj()
    try:
        rows = stream.decompress(b"".join(chunk[4:] for chunk in _chunks(png) if chunk[:4] == b"IDAT"), size + 1)
    except ZlibError:
        return DAMAGED
    if len(rows) > size or stream.unused_data:
        return MORE
    return "" if stream.eof and len(rows) == size else DAMAGED


def _chunks(png: bytes) -> Iterator[bytes]:
    """The kind and content of each chunk of a PNG file; at the end "more" if bytes follow it, or b"" after a damage."""
    at = len(PNG_BEGINS)
    while at + 12 <= len(png):
        (length,) = unpack_from(">I", png, at)
        chunk, checksum = png[at + 4 : at + 8 + length], png[at + 8 + length : at + 12 + length]
        at += 12 + length
        if checksum != crc32(chunk).to_bytes(4, "big"):
            break
        yield chunk
        if chunk[:4] == b"IEND":
            if at < len(png):
                yield b"more"
            return
    yield b""
