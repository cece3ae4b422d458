"""Pictures of emoji, drawn with Google's font (`apt-get install fonts-noto-color-emoji`)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glowflow.errors import InputError
from glowflow.shapes import Shape

NAME = "emoji"
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
SIZE, SIDE = 109, 140
"""The only size in the font, and the side of a square that holds its characters, in pixels."""
FIRST, LAST = 0x1F300, 0x1FAFF
"""The blocks of Unicode that hold most emoji."""
ABSENT = "\U0010ffff"


def emoji(image_shape: Shape) -> NDArray[np.uint8]:
    """All emoji of one character, before white, as images (N, H, W, C), uint8.

    Raises:
        InputError: If the font isn't there.
    """
    channels, height, width = image_shape
    mode = "L" if channels == 1 else "RGB"
    small = [drawn.convert(mode).resize((width, height), Image.Resampling.LANCZOS) for drawn in _drawn()]
    return np.stack([np.asarray(image) for image in small]).reshape(len(small), height, width, channels)


def load_font() -> ImageFont.FreeTypeFont:
    """The font that emoji are drawn with.

    Raises:
        InputError: If it isn't there.
    """
    if not FONT.is_file():
        raise InputError(f"Emoji are drawn with {FONT}, which isn't there: run apt-get install fonts-noto-color-emoji.")
    return ImageFont.truetype(FONT, SIZE)


def draw(text: str, font: ImageFont.FreeTypeFont, picture: Image.Image) -> None:
    """Draw an emoji into the middle of a picture."""
    middle = (picture.width / 2, picture.height / 2)
    ImageDraw.Draw(picture).text(middle, text, font=font, anchor="mm", embedded_color=True)


def _drawn() -> Iterator[Image.Image]:
    font = load_font()
    absent = bytes(font.getmask(ABSENT))
    for code in range(FIRST, LAST + 1):
        mask = bytes(font.getmask(chr(code)))
        if mask != absent and any(mask):
            picture = Image.new("RGB", (SIDE, SIDE), "white")
            draw(chr(code), font, picture)
            yield picture
