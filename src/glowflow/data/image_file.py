"""One image file, of any mode and size, to the uint8 array a model takes."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from glowflow.config import Shape
from glowflow.errors import InputError

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels."""


class UnreadableError(Exception):
    """A file that holds no image, or a broken one."""


def read_image(path: Path, image_shape: Shape, *, enlarge: bool = False) -> NDArray[np.uint8]:
    """The image in a file, uint8 (H, W, C).

    It is turned as its EXIF data says, put over white where it's transparent (unless C is 4), cropped at its centre to
    the aspect of H x W, and reduced to H x W by bicubic interpolation with antialiasing.

    Args:
        path: Of the file.
        image_shape: (C, H, W).
        enlarge: Enlarge a smaller image instead of refusing it, and take one whose pixels were enlarged as what it was.

    Raises:
        InputError: the file can't be read, the image is smaller than H x W, or C isn't 1, 3 or 4.
    """
    check_channels(image_shape)
    try:
        image = decode(path, image_shape[0])
    except UnreadableError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise InputError(f"There is no file {path}.") from error
        if isinstance(error.__cause__, OSError) and error.__cause__.strerror:
            raise InputError(f"{path} can't be read: {error.__cause__.strerror}.") from error
        raise InputError(f"{path} can't be read as an image ({error}): give an image file such as a PNG.") from error
    return fit(image, image_shape, path, enlarge=enlarge)


def check_channels(image_shape: Shape) -> None:
    """Refuse numbers of channels that image files don't have."""
    if image_shape[0] not in MODES:
        raise InputError(
            f"Image files can't give {image_shape[0]} channels: choose 1 (grey), 3 (colour) or 4 (with opacity)."
        )


def decode(file: Path | BinaryIO, channels: int) -> Image.Image:
    """The upright image in a file, in 8 bits and `channels` channels.

    Raises:
        UnreadableError: whatever it was that the decoder stumbled over.
    """
    try:
        with Image.open(file) as image:
            return upright(image, channels)
    except Exception as error:  # broken files make Pillow raise nearly anything, SyntaxError included
        raise UnreadableError(str(error) or type(error).__name__) from error


def upright(image: Image.Image, channels: int) -> Image.Image:
    """An opened image turned as its EXIF data says, in 8 bits and `channels` channels, over white where transparent."""
    return _convert(_eight_bits(ImageOps.exif_transpose(image)), MODES[channels])


def fit(image: Image.Image, image_shape: Shape, where: Path | str, *, enlarge: bool = False) -> NDArray[np.uint8]:
    """`image` cropped, then reduced, to uint8 (H, W, C).

    A smaller one is enlarged, or refused by an InputError, for the message of which `where` is.
    """
    channels, height, width = image_shape
    if enlarge and (image.width < width or image.height < height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    if image.width < width or image.height < height:
        raise InputError(
            f"{where} is smaller, at {image.width}x{image.height} pixels, than the model's {width}x{height} "
            "(width x height): choose a smaller --model.image_shape, or give larger images."
        )
    # The largest box of the target's aspect.
    across = min(image.width, round(image.height * width / height))
    down = min(image.height, round(image.width * height / width))
    left, top = (image.width - across) // 2, (image.height - down) // 2
    cropped = image.crop((left, top, left + across, top + down))
    original = _unenlarged(cropped, (width, height)) if enlarge else None
    resized = original or cropped.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized).reshape(height, width, channels)


def _unenlarged(image: Image.Image, size: tuple[int, int]) -> Image.Image | None:
    """The image of this size that was enlarged to this one pixel by pixel, as the commands draw images, if one was."""
    small = image.resize(size, Image.Resampling.NEAREST)
    again = small.resize(image.size, Image.Resampling.NEAREST)
    return small if again.tobytes() == image.tobytes() else None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits to 8: Pillow's own conversion clips at 255 instead of scaling."""
    if image.mode == "F":
        values = np.asarray(image)
        return _grey(values * 255 if values.max() <= 1 else values)
    if image.mode.startswith("I"):
        return _grey(np.asarray(image) / 257)
    return image


def _grey(values: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if mode == "RGBA" or not image.has_transparency_data:
        return image.convert(mode)
    opaque = Image.new("RGBA", image.size, "white")
    opaque.alpha_composite(image.convert("RGBA"))
    return opaque.convert(mode)
