"""Reading a stranger's upload as an image, with few decoders, few pixels, and a sentence for what's wrong."""

from collections.abc import Mapping
from io import BytesIO

import torch
from PIL import Image
from starlette.exceptions import HTTPException
from torch import Tensor

from glowflow.data.image_file import Picture, fit
from glowflow.data.value_range import UNKNOWN, Range
from glowflow.demo.alignment import FaceFinder
from glowflow.shapes import Shape

FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
}
"""Pillow's decoder for each type; no other decoder is used."""
MOST_BYTES = 16_000_000
MOST_PIXELS = 25_000_000
"""This is checked before anything is decoded. Pillow takes a hundred megabytes for so many."""


def read(
    body: bytes,
    kind: str,
    image_shape: Shape,
    finder: FaceFinder | None = None,
    value_ranges: Mapping[str, Range] = UNKNOWN,
) -> tuple[Tensor, bool]:
    """Read an upload as an image, uint8 (C, H, W), and report whether a face was found in it.

    The image is turned as its EXIF data says, put over white where it's transparent, cut around the face or otherwise
    around its centre, and resized.

    Args:
        body: The file.
        kind: Its content type, one of `FORMATS`.
        image_shape: (C, H, W) of the model's images.
        finder: Finds the face; None looks for no face.
        value_ranges: The value ranges of the training images, for files of more than 8 bits.

    Raises:
        HTTPException: 413 for too many pixels, 422 for what can't be read.
    """
    image = _opened(body, kind, image_shape[0], value_ranges)
    face = finder.find(image) if finder else None
    image = image.crop(face) if face else image
    pixels = fit(image, image_shape, "The image", enlarge=True)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()), face is not None


def _opened(body: bytes, kind: str, channels: int, value_ranges: Mapping[str, Range]) -> Image.Image:
    try:
        with Image.open(BytesIO(body), formats=[FORMATS[kind]]) as image:
            _check_size(image.width, image.height)
            return Picture(image).eight_bits(channels, value_ranges)
    except (HTTPException, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except Exception:  # broken files make Pillow raise nearly anything
        sentence = f"This file can't be read as an image of its type, {kind}: it's broken, or it has another type."
        raise HTTPException(422, sentence) from None


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise _too_large()


def _too_large() -> HTTPException:
    return HTTPException(413, f"The image has more than {MOST_PIXELS:,} pixels: reduce it first.")
