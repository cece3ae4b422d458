"""Image files that hold pixels and nothing else, so that their pixels say all about them."""

from collections.abc import Iterator
from io import BytesIO
from struct import unpack_from
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.shapes import Shape

PNG_BEGINS = b"\x89PNG\r\n\x1a\n"
PLACE_OF_DEPTH = 24
"""Where a PNG file says how many bits a value has."""
MODES = {1: "L", 3: "RGB"}
FORMATS = ("PNG", "PPM")
LARGEST_HEADER = 1 << 16
"""A file of pixels alone has fewer bytes than this and two for each value."""


def pixels_alone(content: bytes, shape: Shape, num_bits: int) -> tuple[str, NDArray[np.uint8]] | None:
    """The format and the pixels (C, H, W) of an image file that a model of this shape can code; None for other files.

    These are PNG files of 8 bits without transparency, palette, text or other additions, and PGM and PPM files without
    comments. Every value is a multiple of 2^(8 - n).
    """
    channels, *size = shape
    if not (content.startswith(PNG_BEGINS) and _has_pixels_alone(content)) and content[:2] not in {b"P5", b"P6"}:
        return None
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if [image.height, image.width] != size or image.mode != MODES.get(channels):
                return None
            pixels, kind = np.asarray(image).reshape(*size, channels).transpose(2, 0, 1), str(image.format)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    if (pixels & ((1 << (8 - num_bits)) - 1)).any() or (kind == "PPM" and picture_file(pixels, kind) != content):
        return None
    return kind, pixels


def picture_file(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """A file with pixels (C, H, W)."""
    file = BytesIO()
    squeezed = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(squeezed).save(file, kind)
    return file.getvalue()


def _has_pixels_alone(png: bytes) -> bool:
    """True if a PNG file has 8 bits, only the chunks that pixels without a palette need, and nothing after them."""
    kinds = list(_chunks(png))
    chunks_are_few = kinds[:1] == [b"IHDR"] and kinds[-1:] == [b"IEND"] and set(kinds[1:-1]) == {b"IDAT"}
    return chunks_are_few and png[PLACE_OF_DEPTH] == 8


def _chunks(png: bytes) -> Iterator[bytes]:
    """The kinds of a PNG file's chunks; an empty one where the file is damaged."""
    at = len(PNG_BEGINS)
    while at < len(png):
        if at + 12 > len(png):
            yield b""
            return
        (length,) = unpack_from(">I", png, at)
        chunk, checksum = png[at + 4 : at + 8 + length], png[at + 8 + length : at + 12 + length]
        yield chunk[:4] if checksum == crc32(chunk).to_bytes(4, "big") else b""
        at += 12 + length
