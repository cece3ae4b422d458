"""Captions for grids of images: any text, in a font that has its characters, shortened if it's too wide."""

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias, cast
from unicodedata import normalize

from PIL import Image, ImageDraw, ImageFont

Caption: TypeAlias = tuple[str, ...]
"""Lines of text."""
Font = ImageFont.FreeTypeFont

SIZE, LINE = 14, 18
"""Heights of the letters and of a line, in pixels."""
MARGIN = 8
"""Pixels around captions, and between the picture and its edge where it has captions."""
WIDEST = 220
"""The largest width of a caption beside a row, in pixels."""
CUT = "…"
OTHERS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf"),
    *("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "PingFang.ttc", "msyh.ttc", "malgun.ttf", "seguiemj.ttf"),
)
"""Fonts that systems have. Pillow's own font has few characters beyond those of English."""


def captioned(picture: Image.Image, above: Sequence[Caption] = (), beside: Sequence[Caption] = ()) -> Image.Image:
    """Add captions to the columns and rows of a grid, which are equally wide and high."""
    if not any((*above, *beside)):
        return picture
    left, top = _width(beside), LINE * max(map(len, above), default=0) + MARGIN
    canvas = Image.new(picture.mode, (left + picture.width + MARGIN, top + picture.height + MARGIN), "white")
    canvas.paste(picture, (left, top))
    draw = ImageDraw.Draw(canvas)
    width, height = (side / max(1, len(part)) for side, part in zip(picture.size, (above, beside), strict=True))
    for index, caption in enumerate(above):
        write(draw, caption, (left + width * (index + 0.5), top / 2), width - MARGIN, anchor="mm")
    for index, caption in enumerate(beside):
        write(draw, caption, (MARGIN, top + height * (index + 0.5)), WIDEST, anchor="lm")
    return canvas


def legible(text: str) -> str:
    r"""Replace characters that can't be seen, or that no font here has, with escapes.

    >>> legible("cat\n\udce9.png")
    'cat\\n\\udce9.png'
    """
    composed = normalize("NFC", text)
    font = _font(composed)
    return "".join(char if _has(font, char) else char.encode("unicode_escape").decode() for char in composed)


def _width(captions: Sequence[Caption]) -> int:
    """Pixels that captions beside a picture take."""
    lines = [legible(line) for caption in captions for line in caption]
    widest = max((_font(line).getlength(line) for line in lines), default=0)
    return round(min(WIDEST, widest)) + (2 * MARGIN if lines else MARGIN)


def write(draw: ImageDraw.ImageDraw, caption: Caption, at: tuple[float, float], width: float, anchor: str) -> None:
    """Write lines around a point."""
    x, y = at
    for index, line in enumerate(map(legible, caption)):
        middle, font = y + LINE * (index - (len(caption) - 1) / 2), _font(line)
        draw.text((x, middle), _cut(line, font, width), "black", font, anchor)


def _cut(text: str, font: Font, width: float) -> str:
    """Leave out the middle of a text that is too wide."""
    shown, kept = text, len(text)
    while kept and font.getlength(shown) > width:
        kept -= 1
        shown = text[: kept - kept // 2] + CUT + text[len(text) - kept // 2 :]
    return shown


def _font(text: str) -> Font:
    """Find the first font that has every character of a text, or else the one that lacks the fewest."""
    lacking: dict[Font, int] = {}
    for font in filter(None, map(_found, ("", *OTHERS))):
        lacking[font] = sum(not _has(font, char) for char in {*text, CUT})
        if not lacking[font]:
            return font
    return min(lacking, key=lambda font: lacking[font])


@cache
def _found(name: str) -> Font | None:
    """Load a font from a file, or Pillow's own for an empty name; None if there is no such file."""
    try:
        return ImageFont.truetype(name, SIZE) if name else cast("Font", ImageFont.load_default(SIZE))
    except OSError:
        return None


@cache
def _has(font: Font, char: str) -> bool:
    """True if a character is visible, and the font draws it unlike a character that doesn't exist."""
    return char.isprintable() and bytes(font.getmask(char)) != bytes(font.getmask("\U0010ffff"))
