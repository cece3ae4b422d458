"""The numbers in an image file with more than 8 bits for each.

Pillow gives all bits of grey images, but only the upper 8 bits of colour images. These are decoded a second time, with
the two bytes of each number exchanged, which gives the lower 8 bits.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from glowflow.data.value_range import Range, Seen, levels

BITS_PER_SAMPLE, MAX_SAMPLE_VALUE, SAMPLE_FORMAT = 258, 281, 339
"""Numbers of TIFF tags."""
SIGNED = 2
"""The sample format of TIFF for signed whole numbers."""
EXCHANGED = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}
"""The other order of bytes for each order in the names of Pillow's decoders."""
MISTAKEN = {"int8": np.int8, "uint32": np.uint32}
"""Kinds whose sign Pillow mistakes."""
GREY_AND_OPACITY = "LA;16B"


@dataclass(frozen=True)
class Samples:
    """The numbers of an upright image.

    Attributes:
        kind: one of `KINDS`, or int8.
        values: (H, W) or (H, W, 3).
        stated: the numbers for black and white, if the file states them.
        largest: the largest possible value, if the file states it.
        opacity: uint8 (H, W), or None.
    """

    kind: str
    values: NDArray[Any]
    stated: Range | None = None
    largest: float | None = None
    opacity: NDArray[np.uint8] | None = None

    @property
    def seen(self) -> Seen:
        """The values, from which a range can be chosen."""
        seen = Seen.of(self.values, self.kind)
        return seen if self.largest is None else seen.and_also(Seen(self.kind, high=self.largest))

    def image(self, limits: Range) -> Image.Image:
        """The image in 8 bits."""
        image = Image.fromarray(levels(self.values, limits))
        if self.opacity is not None:
            image.putalpha(Image.fromarray(self.opacity))
        return image


def samples(image: Image.Image) -> Samples | None:
    """The numbers of an opened image that isn't decoded yet; None if they have 8 bits at most.

    ValueError if Pillow would misread the numbers.
    """
    if decoder := _colour_decoder(image):
        return _colour(image, decoder)
    if len(image.getbands()) > 1 and _tag(image, BITS_PER_SAMPLE) == 16 and ";16" not in _decoder(image):
        raise ValueError("its 16-bit colours are stored one after the other, in planes")
    if not (kind := _kind(image)):
        return None
    stated, largest = _stated(image), _tag(image, MAX_SAMPLE_VALUE)  # decoding removes them
    values = np.asarray(ImageOps.exif_transpose(image))
    values = values.view(MISTAKEN.get(kind, values.dtype))
    return Samples(kind, values, stated, largest if kind == "uint16" and 0 < largest < 65535 else None)


def _kind(image: Image.Image) -> str:
    """The kind of numbers in an image of one channel; empty for 8 bits."""
    bits, is_signed = _tag(image, BITS_PER_SAMPLE), _tag(image, SAMPLE_FORMAT) == SIGNED
    if image.mode == "L":
        return "int8" if is_signed and bits == 8 else ""
    if image.mode == "I" and bits:
        return f"{'' if is_signed else 'u'}int{bits:g}"
    if image.mode == "I" and image.format != "PPM":
        return "int32"
    return "float32" if image.mode == "F" else "uint16" if image.mode.startswith("I") else ""


def _stated(image: Image.Image) -> Range | None:
    """The range of a format that states it: PGM, which Pillow scales, and TIFF of 8 or 12 bits."""
    if image.format == "PPM" and image.mode == "I" and _decoder(image) != "I;16B":
        return 0, 65535
    return {8: (-128, 127), 12: (0, 4095)}.get(int(_tag(image, BITS_PER_SAMPLE)))


def _tag(image: Image.Image, number: int) -> float:
    """The first number under a TIFF tag; 0 if there is none."""
    found = getattr(image, "tag_v2", {}).get(number)
    first = found[0] if isinstance(found, tuple) and found else found
    return first if isinstance(first, int | float) else 0


def _colour_decoder(image: Image.Image) -> str:
    """Pillow's name for the storage of 16-bit colour, or of grey with opacity; empty for other images."""
    decoder = _decoder(image)
    is_colour = decoder[-4:] in EXCHANGED and decoder[:-4] in {"RGB", "RGBA"}
    return decoder if is_colour or decoder == GREY_AND_OPACITY else ""


def _decoder(image: Image.Image) -> str:
    """Pillow's name for the storage of an opened image's numbers; empty for many kinds."""
    tile = getattr(image, "tile", None)
    arguments = tile[0][3] if tile else ""
    name = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return name if isinstance(name, str) else ""


def _colour(image: Image.Image, decoder: str) -> Samples:
    if decoder == GREY_AND_OPACITY:  # four bytes for each pixel, in Pillow's order
        numbers = _decoded_as(image, "RGBA")
        upper, lower = numbers[..., 0::2], numbers[..., 1::2]
    else:
        lower = _decoded_as(image, decoder[:-4] + EXCHANGED[decoder[-4:]])
        upper = np.asarray(ImageOps.exif_transpose(image))
    values = upper.astype(np.uint16) << 8 | lower
    if values.shape[-1] == 3:
        return Samples("uint16", values)
    opacity = levels(values[..., -1], (0, 65535))
    return Samples("uint16", values[..., 0] if values.shape[-1] == 2 else values[..., :-1], opacity=opacity)


def _decoded_as(image: Image.Image, decoder: str) -> NDArray[np.uint8]:
    """The upright pixels of an opened image, from another decoder of Pillow's. The image itself isn't decoded."""
    assert isinstance(image, ImageFile.ImageFile)  # noqa: S101  for mypy
    assert image.fp is not None  # noqa: S101  for mypy
    with Image.open(image.fp, formats=[image.format or ""]) as twin:
        twin.tile = [_with_decoder(tile, decoder) for tile in twin.tile]
        return np.asarray(ImageOps.exif_transpose(twin))


def _with_decoder(tile: Any, decoder: str) -> Any:  # noqa: ANN401 (Pillow's)
    """One of Pillow's tiles (parts of an image that it decodes at once), with another decoder."""
    arguments = (decoder, *tile[3][1:]) if isinstance(tile[3], tuple) else decoder
    return tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments)  # before Pillow 11
