"""Small pictures of images that a page holds itself."""

import base64
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from glowflow.pictures import GAP

LARGEST_SIDE, MOST_PIXELS = 96, 10 * 96 * 96
"""The size of an image, and of all images of a picture together. Larger images are made smaller, or fewer."""
MOST_BYTES = 2**15
"""The size of a lossless picture. One that would be larger is compressed with losses."""
COLUMNS = 5


def thumbnails(images: Sequence[Image.Image]) -> str:
    """The address (a data URI) of a picture of images of one size, in rows, on a transparent ground.

    As many of the images are shown as MOST_PIXELS allow.
    """
    small = [image.copy() for image in images]
    for image in small:
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    picture = _arranged(small[: most(*small[0].size)])
    content = _webp(picture, lossless=True)
    if len(content) > MOST_BYTES:
        content = _webp(picture, lossless=False)
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def most(width: int, height: int) -> int:
    """How many images of a size are shown: full rows.

    >>> most(32, 32), most(64, 64), most(96, 96)
    (90, 20, 10)
    """
    return max(1, MOST_PIXELS // (width * height * COLUMNS)) * COLUMNS


def _arranged(images: Sequence[Image.Image]) -> Image.Image:
    (width, height), rows = images[0].size, -(-len(images) // COLUMNS)
    canvas = Image.new("RGBA", (COLUMNS * (width + GAP) - GAP, rows * (height + GAP) - GAP))
    for index, image in enumerate(images):
        row, column = divmod(index, COLUMNS)
        canvas.paste(image, (column * (width + GAP), row * (height + GAP)))
    return canvas


def _webp(picture: Image.Image, *, lossless: bool) -> bytes:
    file = BytesIO()
    picture.save(file, "WEBP", lossless=lossless, quality=80, method=4)
    return file.getvalue()
