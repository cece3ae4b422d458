"""Images as pictures to look at: grids, titles, animations."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

SMALLEST_TILE = 64
GAP = 2


def as_picture(image: NDArray[np.uint8]) -> Image.Image:
    """One image (H, W, C) as a picture; of an unusual number of channels, the first or the first three are shown."""
    channels = image.shape[2]
    shown = image if channels in {3, 4} else image[:, :, :3] if channels > 4 else image[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(shown))


def grid(images: Tensor, columns: int) -> Image.Image:
    """A picture of images (N, C, H, W), uint8, in rows of `columns`; small ones are enlarged."""
    tiles = [as_picture(image) for image in images.permute(0, 2, 3, 1).cpu().numpy()]
    scale = max(1, -(-SMALLEST_TILE // max(tiles[0].size)))
    width, height = (scale * side for side in tiles[0].size)
    rows = -(-len(tiles) // columns)
    canvas = Image.new(tiles[0].mode, (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        large = tile.resize((width, height), Image.Resampling.NEAREST)
        canvas.paste(large, (column * (width + GAP), row * (height + GAP)))
    return canvas


def stacked(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures one below the other, each under its title."""
    title_height = 16
    width = max(picture.width for picture in pictures.values())
    height = sum(picture.height + title_height for picture in pictures.values())
    canvas = Image.new(next(iter(pictures.values())).mode, (width, height), "white")
    top = 0
    for title, picture in pictures.items():
        ImageDraw.Draw(canvas).text((2, top + 2), title, fill="black")
        canvas.paste(picture, (0, top + title_height))
        top += title_height + picture.height
    return canvas
