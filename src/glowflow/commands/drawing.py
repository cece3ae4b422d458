"""Pictures and animations that commands write: rows of images, enlarged for a screen, with captions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from glowflow.captions import Caption
    from glowflow.shapes import Shape

LARGEST_FACTOR = 64


def check_enlarge(enlarge: int | None) -> None:
    """Refuse an --enlarge that is out of range."""
    if enlarge is not None and not 1 <= enlarge <= LARGEST_FACTOR:
        raise InputError(f"--enlarge is {enlarge}; it takes a whole number from 1 to {LARGEST_FACTOR}.")


def check_size(out: Path, num: int, columns: int, image_shape: "Shape", enlarge: int | None) -> None:
    """Refuse a picture, or an animation, that is too large, before its images are computed.

    Args:
        out: Its file; the ending says whether it's an animation.
        num: The number of images.
        columns: The number of images in a row.
        image_shape: (C, H, W) of each image.
        enlarge: As for `draw`.

    Raises:
        InputError: If programs wouldn't open the picture, or the animation takes too much memory.
    """
    from glowflow.pictures import MOST_PIXELS, check_count, is_animation, suitable

    if not is_animation(out):
        check_count(num, image_shape, enlarge)
        return
    rows = num // columns
    _, height, width = image_shape
    pixels = num * height * width * (enlarge or suitable(rows, (height, width), rows)) ** 2
    if pixels > MOST_PIXELS:
        raise InputError(f"{out} would have {pixels:,} pixels: give a smaller --enlarge, or ask for fewer images.")


def draw(
    out: Path,
    images: "Tensor",
    columns: int,
    enlarge: int | None,
    above: "Sequence[Caption]" = (),
    beside: "Sequence[Caption]" = (),
) -> None:
    """Write images (N, C, H, W), uint8, as a picture.

    Args:
        out: The file.
        images: The images, row by row.
        columns: The number of images in a row.
        enlarge: How many times as large each image is drawn. None suits a screen; 1 draws no captions.
        above: A caption for each column.
        beside: A caption for each row.
    """
    from glowflow.captions import captioned
    from glowflow.pictures import grid, save, suitable

    picture = grid(images, columns, enlarge or suitable(len(images), images.shape[2:], columns))
    save(picture if enlarge == 1 else captioned(picture, above, beside), out)


def draw_or_animate(
    out: Path,
    images: "Tensor",
    columns: int,
    enlarge: int | None,
    above: "Sequence[Caption]",
    beside: "Sequence[Caption]" = (),
) -> None:
    """Do as `draw`; but in an animation, show the columns one after the other, without captions."""
    from glowflow.pictures import animate, grid, is_animation, suitable

    if not is_animation(out):
        draw(out, images, columns, enlarge, above, beside)
        return
    frames = images.unflatten(0, (-1, columns)).unbind(1)
    rows = len(frames[0])
    factor = enlarge or suitable(rows, images.shape[2:], rows)
    animate([grid(frame, rows, factor) for frame in frames], out)


def whole_rows(images: "Tensor", columns: int) -> "Tensor":
    """Fill the last row of images (N, C, H, W) with white ones."""
    import torch

    lacking = -len(images) % columns
    return torch.cat([images, images.new_full((lacking, *images.shape[1:]), 255)])


def without_ending(name: str) -> str:
    """The name of an image without the ending of its file, where a picture of the image is named or captioned."""
    return Path(name).with_suffix("").as_posix()


def names_of(paths: Sequence[Path]) -> list[str]:
    """Name files in captions by their names, or by the paths that were given if two names are equal."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else list(map(str, paths))
