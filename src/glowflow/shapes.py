"""The shapes of images, and the numbers of levels that they allow."""

from collections.abc import Sequence

from glowflow.checks import is_whole
from glowflow.errors import InputError

Shape = tuple[int, int, int]
"""An image's (channels, height, width)."""


def shape_text(image_shape: Sequence[int]) -> str:
    """A shape as people write it.

    >>> shape_text((3, 32, 32))
    '3x32x32'
    """
    return "x".join(map(str, image_shape))


def valid_levels(image_shape: Shape) -> list[int]:
    """Every number of levels that an image of (C, H, W) can be squeezed to, ascending.

    >>> valid_levels((1, 28, 28))
    [1, 2]
    """
    _, height, width = image_shape
    return [n for n in range(1, 32) if height % 2**n == 0 and width % 2**n == 0]


def default_levels(image_shape: Shape) -> int:
    """The largest number of levels that leaves a top of at least 4x4, else the largest valid one.

    >>> default_levels((3, 32, 32)), default_levels((3, 2, 8))
    (3, 1)
    """
    _, height, width = image_shape
    levels = valid_levels(image_shape)
    return max((n for n in levels if min(height, width) >> n >= 4), default=levels[-1])


def check_shape(shape: Shape) -> None:
    """Refuse what isn't the shape of an image that can be squeezed."""
    if not isinstance(shape, tuple) or len(shape) != 3 or not all(map(is_whole, shape)) or min(shape) < 1:
        raise InputError(f"image_shape is {shape}; it takes three positive numbers: channels, height, width.")
    if not valid_levels(shape):
        _, height, width = shape
        raise InputError(
            f"An image of {height}x{width} can't be squeezed, since a side is odd; "
            f"the nearest possible size is {height + height % 2}x{width + width % 2}."
        )


def check_levels(shape: Shape, levels: int | None) -> None:
    """Refuse a number of levels that an image of this shape can't be squeezed to; None is the default number."""
    if levels is not None and not (is_whole(levels) and levels in valid_levels(shape)):
        choices = ", ".join(map(str, valid_levels(shape)))
        raise InputError(f"An image of {shape[1]}x{shape[2]} can't have {levels} levels; it can have {choices}.")
