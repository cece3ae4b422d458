"""Images as pictures to look at: grids, titles, animations."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from glowflow.durable import replacing
from glowflow.errors import InputError
from glowflow.packages import imported
from glowflow.shapes import Shape, shape_text

SMALLEST_TILE = 64
"""The smallest number of pixels of an image's longer side."""
FEW, SMALLEST_OF_FEW = 100, 100
"""The longer side has at least SMALLEST_OF_FEW pixels if there are at most FEW images; a caption needs this room."""
LARGEST_TILE = 256
SCREEN = 1600, 1040
"""The largest width and height, in pixels, of a picture of few images."""
GAP = 2
TITLE_HEIGHT = 16
MOST_PIXELS = 2**27
"""The largest number of pixels of a picture. Pillow and other programs don't open larger ones."""
ANIMATIONS = {".webp": "WEBP", ".gif": "GIF"}
VIDEO = ".mp4"
FRAME_MILLISECONDS = 40
STILL_MILLISECONDS = 600
"""How long the first frame and the last are shown."""


def as_picture(image: NDArray[np.uint8]) -> Image.Image:
    """One image (H, W, C) as a picture. Of 2 channels it shows the first one, of more than 4 the first three."""
    channels = image.shape[2]
    shown = image if channels in {3, 4} else image[:, :, :3] if channels > 4 else image[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(shown))


def grid(images: Tensor, columns: int, enlarge: int | None = None) -> Image.Image:
    """A picture of images (N, C, H, W), uint8, in rows of `columns`.

    Each pixel becomes `enlarge` x `enlarge` pixels. By default an image's longer side gets at least SMALLEST_TILE.
    """
    tiles = [as_picture(image) for image in images.permute(0, 2, 3, 1).cpu().numpy()]
    scale = enlarge or _factor(SMALLEST_TILE, tiles[0].size)
    width, height = (scale * side for side in tiles[0].size)
    rows = -(-len(tiles) // columns)
    canvas = Image.new(tiles[0].mode, (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        large = tile.resize((width, height), Image.Resampling.NEAREST)
        canvas.paste(large, (column * (width + GAP), row * (height + GAP)))
    return canvas


def check_count(num: int, image_shape: Shape, enlarge: int | None = None) -> None:
    """Raise InputError for more images (C, H, W) than one picture can hold."""
    _, *sides = image_shape
    scale = enlarge or _factor(SMALLEST_TILE, sides)
    most = MOST_PIXELS // prod(scale * side + GAP for side in sides)
    if num > most:
        size = shape_text(image_shape)
        how = f" at --enlarge {enlarge}" if enlarge else ""
        raise InputError(f"A picture holds at most {most:,} images of {size}{how}, and this one would have {num:,}.")


def suitable(num: int, size: Sequence[int], columns: int) -> int:
    """How many times as large to draw `num` images of a size (H, W), in rows of `columns`, for a screen.

    A few images fill the screen, but none gets larger than LARGEST_TILE. Many images stay large enough to look at, even
    if they don't fit onto the screen.
    """
    height, width = size
    rows = -(-num // columns)
    fitting = min(LARGEST_TILE // max(height, width), SCREEN[0] // (columns * width), SCREEN[1] // (rows * height))
    return max(fitting, _factor(SMALLEST_OF_FEW if num <= FEW else SMALLEST_TILE, (width, height)))


def _factor(side: int, size: Sequence[int]) -> int:
    """The smallest factor that makes the longer side at least this long."""
    return max(1, -(-side // max(size)))


def stacked(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures one below the other, each under its title."""
    width = max(picture.width for picture in pictures.values())
    height = sum(picture.height + TITLE_HEIGHT for picture in pictures.values())
    canvas = Image.new(next(iter(pictures.values())).mode, (width, height), "white")
    top = 0
    for title, picture in pictures.items():
        ImageDraw.Draw(canvas).text((2, top + 2), title, fill="black")
        canvas.paste(picture, (0, top + TITLE_HEIGHT))
        top += TITLE_HEIGHT + picture.height
    return canvas


def unstacked(picture: Image.Image, count: int) -> list[Image.Image]:
    """The pictures that `stacked` put one below the other, without their titles, if all were of one size."""
    height = picture.height // count
    tops = range(0, count * height, height)
    return [picture.crop((0, top + TITLE_HEIGHT, picture.width, top + height)) for top in tops]


def tiles(picture: Image.Image, rows: int, columns: int) -> list[Image.Image]:
    """The images of a picture that `grid` made, row by row, as large as they are there."""
    height, width = (picture.height + GAP) // rows, (picture.width + GAP) // columns
    corners = [(column * width, row * height) for row in range(rows) for column in range(columns)]
    return [picture.crop((x, y, x + width - GAP, y + height - GAP)) for x, y in corners]


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture, whole or not at all.

    Raises:
        InputError: If Pillow can't write this picture in the format of the name's ending.
    """
    kind = Image.registered_extensions()[path.suffix.lower()]
    with replacing(path) as partial:
        try:
            picture.save(partial, kind)
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise InputError(f"{path} can't be written as {kind} ({error}): try .png, or fewer images.") from None


def is_animation(path: Path) -> bool:
    """True if the file name has the ending of an animation."""
    return path.suffix.lower() in {*ANIMATIONS, VIDEO}


def animate(frames: Sequence[Image.Image], path: Path) -> None:
    """Write pictures of one size as an animation from first to last and back. A video then ends; others repeat.

    Args:
        frames: At least 2.
        path: Ends in .webp (which keeps every pixel as it is), .gif, or .mp4 (which needs the extra `video`).
    """
    durations = [STILL_MILLISECONDS, *[FRAME_MILLISECONDS] * (len(frames) - 2), STILL_MILLISECONDS]
    there_and_back = [*frames, *frames[-2:0:-1]]
    durations += durations[-2:0:-1]
    if path.suffix.lower() == VIDEO:
        _video(there_and_back, durations, path)
        return
    first, *rest = there_and_back
    kind = ANIMATIONS[path.suffix.lower()]
    with replacing(path) as partial:
        try:
            first.save(partial, kind, save_all=True, append_images=rest, duration=durations, loop=0, lossless=True)
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path} can't be written as {kind} ({error}): try fewer images.") from None


def _video(frames: Sequence[Image.Image], durations: Sequence[int], path: Path) -> None:
    av = imported("av", str(path), "video", ", or write a .webp")
    with replacing(path) as partial, partial.open("wb") as raw, av.open(raw, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=1000 // FRAME_MILLISECONDS, options={"crf": "16"})
        stream.width, stream.height = (side + side % 2 for side in frames[0].size)  # the codec needs even numbers
        stream.pix_fmt = "yuv420p"
        for frame, duration in zip(frames, durations, strict=True):
            pixels = np.asarray(frame.convert("RGB").resize((stream.width, stream.height)))
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            for _ in range(duration // FRAME_MILLISECONDS):
                file.mux(stream.encode(picture))
        file.mux(stream.encode())
