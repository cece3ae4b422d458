"""Conversion of image files of any mode and size into the uint8 arrays that a model takes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from glowflow.data.formats import advice, open_image
from glowflow.data.in_flight import InFlight
from glowflow.data.samples import Samples, samples
from glowflow.data.value_range import UNKNOWN, Range, Seen, check_needed, together, told, usual
from glowflow.errors import InputError
from glowflow.shapes import Shape

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels."""
IN_FLIGHT = InFlight(2**27)
"""Room for the pixels that are decoded at once: about 500 MB in Pillow, and as much again during conversion."""


class UnreadableError(Exception):
    """A file holds no image, or a broken one."""


def read_image(
    path: Path, image_shape: Shape, *, enlarge: bool = False, value_ranges: Mapping[str, Range] = UNKNOWN
) -> NDArray[np.uint8]:
    """The image in a file, uint8 (H, W, C).

    The image is turned as its EXIF data says, put over white where it's transparent (unless C is 4), cropped at its
    centre to the aspect of H x W, and reduced to H x W by bicubic interpolation with antialiasing.

    Args:
        path: The path of the file.
        image_shape: (C, H, W).
        enlarge: Enlarge a smaller image instead of refusing it, and restore one whose pixels were repeated.
        value_ranges: The values that become black and white, for each kind of values of more than 8 bits (such as those
            of a `Dataset`). Other kinds get the usual range that holds the file's values.

    Raises:
        InputError: the file can't be read, the image is smaller than H x W, or C isn't 1, 3 or 4.
    """
    check_channels(image_shape)
    with _sentence(path), opened(path) as picture:
        return fit(picture.eight_bits(image_shape[0], value_ranges), image_shape, path, enlarge=enlarge)


def read_images(
    paths: Sequence[Path],
    image_shape: Shape,
    *,
    enlarge: bool = False,
    value_ranges: Mapping[str, Range] = UNKNOWN,
    chosen: Range | None = None,
) -> NDArray[np.uint8]:
    """The images in several files, uint8 (N, H, W, C), all read with the same value range, which is reported.

    See `read_image`. A range that a user chose, `chosen`, goes first, then those in `value_ranges`. Other ranges are
    chosen from the values of all files.

    Raises:
        InputError: as `read_image`, or a range was chosen and no file has more than 8 bits.
    """
    check_channels(image_shape)
    seen = together(found for path in paths if (found := _values_of(path)))
    check_needed(chosen, seen, "these files")
    ranges = {kind: chosen or value_ranges.get(kind) or usual(values) for kind, values in seen.items()}
    told(seen, ranges)
    return np.stack([read_image(path, image_shape, enlarge=enlarge, value_ranges=ranges) for path in paths])


def _values_of(path: Path) -> Seen | None:
    with _sentence(path), opened(path) as picture:
        return picture.seen


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    """Turn the reason why a user's file can't be read into an InputError."""
    try:
        yield
    except UnreadableError as error:
        cause = error.__cause__
        if isinstance(cause, FileNotFoundError):
            raise InputError(f"There is no file {path}.") from error
        if isinstance(cause, OSError) and cause.strerror:
            raise InputError(f"{path} can't be read: {cause.strerror}.") from error
        instead = advice(path.suffix.lower()) or "give an image file such as a PNG"
        raise InputError(f"{path} can't be read as an image ({error}): {instead}.") from error


def check_channels(image_shape: Shape) -> None:
    """Refuse numbers of channels that image files don't have."""
    if image_shape[0] not in MODES:
        raise InputError(
            f"Image files can't give {image_shape[0]} channels: choose 1 (grey), 3 (colour) or 4 (with opacity)."
        )


class Picture:
    """An open image that is decoded when it's needed; UnreadableError if it's broken."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    @property
    def seen(self) -> Seen | None:
        """The values that decide the range; None if the file states its range or has 8 bits."""
        with _unreadable():
            return None if self._samples is None or self._samples.stated else self._samples.seen

    def eight_bits(self, channels: int, value_ranges: Mapping[str, Range] = UNKNOWN) -> Image.Image:
        """The upright image in 8 bits with `channels` channels, over white where it's transparent; see `read_image`."""
        with _unreadable():
            found = self._samples
            if found:
                limits = found.stated or value_ranges.get(found.kind) or usual(found.seen)
                return _convert(found.image(limits), MODES[channels])
            ImageOps.exif_transpose(self._image, in_place=True)
            return _convert(self._image, MODES[channels])

    @cached_property
    def _samples(self) -> Samples | None:
        return samples(self._image)


@contextmanager
def opened(file: Path | BinaryIO) -> Iterator[Picture]:
    """The image in a file, or an UnreadableError. Its pixels count as decoded until the context ends."""
    with ExitStack() as stack:
        with _unreadable():
            image = stack.enter_context(open_image(file))
        with IN_FLIGHT.room(image.width * image.height), closing(image):
            yield Picture(image)


@contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
    except MemoryError:  # not the file's fault
        raise
    except Exception as error:  # broken files make Pillow raise nearly anything, SyntaxError included
        raise UnreadableError(str(error) or type(error).__name__) from error


def fit(image: Image.Image, image_shape: Shape, where: Path | str, *, enlarge: bool = False) -> NDArray[np.uint8]:
    """`image` cropped, then reduced, to uint8 (H, W, C).

    A smaller image is enlarged or refused (InputError). The message calls it `where`.
    """
    channels, height, width = image_shape
    if enlarge and (image.width < width or image.height < height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    if image.width < width or image.height < height:
        raise InputError(
            f"{where} is smaller, at {image.width}x{image.height} pixels, than the model's {width}x{height} "
            "(width x height): leave it out, give larger images, or train with a smaller --model.image-shape."
        )
    # The largest box with the target's aspect
    across = min(image.width, round(image.height * width / height))
    down = min(image.height, round(image.width * height / width))
    left, top = (image.width - across) // 2, (image.height - down) // 2
    cropped = image.crop((left, top, left + across, top + down))
    original = _unenlarged(cropped, (width, height)) if enlarge else None
    resized = original or cropped.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized).reshape(height, width, channels)


def _unenlarged(image: Image.Image, size: tuple[int, int]) -> Image.Image | None:
    """The original of this size if the image repeats its pixels, as pictures that commands save do."""
    small = image.resize(size, Image.Resampling.NEAREST)
    again = small.resize(image.size, Image.Resampling.NEAREST)
    return small if again.tobytes() == image.tobytes() else None


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if mode == "RGBA" or not image.has_transparency_data:
        return image if image.mode == mode else image.convert(mode)
    opaque = Image.new("RGBA", image.size, "white")
    opaque.alpha_composite(image.convert("RGBA"))
    return opaque.convert(mode)
