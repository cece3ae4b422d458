"""Captions on grids of images: any text, in a font that has its characters, cut where it is too wide."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeAlias, cast
from unicodedata import normalize

from PIL import Image, ImageDraw, ImageFont

Caption: TypeAlias = tuple[str, ...]
"""Lines of text."""
Font = ImageFont.FreeTypeFont

SIZE = 14
"""Height of the letters, in pixels."""
LINE = 18
"""Height of a line, in pixels."""
MARGIN = 8
"""Pixels around captions, and between the picture and its edge where it has captions."""
WIDEST = 220
"""Width of a caption beside a row at most, in pixels."""
CUT = "…"
OTHERS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "seguiemj.ttf",
)
"""Fonts that systems have, for what Pillow's own lacks, which has little but English."""


def captioned(picture: Image.Image, above: Sequence[Caption] = (), beside: Sequence[Caption] = ()) -> Image.Image:
    """A grid with captions; the grid itself where there are none.

    Args:
        picture: Columns of one width, rows of one height.
        above: A caption for each column.
        beside: One for each row.
    """
    if not any((*above, *beside)):
        return picture
    left, top = _width(beside), _height(above)
    canvas = Image.new(picture.mode, (left + picture.width + MARGIN, top + picture.height + MARGIN), "white")
    canvas.paste(picture, (left, top))
    draw = ImageDraw.Draw(canvas)
    width, height = (side / max(1, len(part)) for side, part in zip(picture.size, (above, beside), strict=True))
    for index, caption in enumerate(above):
        _write(draw, caption, (left + width * (index + 0.5), top / 2), width - MARGIN, anchor="mm")
    for index, caption in enumerate(beside):
        _write(draw, caption, (MARGIN, top + height * (index + 0.5)), WIDEST, anchor="lm")
    return canvas


def legible(text: str) -> str:
    r"""A text with what can't be seen, or what no font here has, as escapes.

    >>> legible("cat\n\udce9.png")
    'cat\\n\\udce9.png'
    """
    composed = normalize("NFC", text)
    font = _font(composed)
    return "".join(char if _has(font, char) else _escaped(char) for char in composed)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _height(captions: Sequence[Caption]) -> int:
    """Pixels that captions above a picture take."""
    return LINE * max(map(len, captions), default=0) + MARGIN


def _width(captions: Sequence[Caption]) -> int:
    """Pixels that captions beside a picture take."""
    lines = [legible(line) for caption in captions for line in caption]
    widest = max((_font(line).getlength(line) for line in lines), default=0)
    return round(min(WIDEST, widest)) + (2 * MARGIN if lines else MARGIN)


def _write(draw: ImageDraw.ImageDraw, caption: Caption, at: tuple[float, float], width: float, anchor: str) -> None:
    """Write lines around a point."""
    for index, line in enumerate(map(legible, caption)):
        middle = at[1] + LINE * (index - (len(caption) - 1) / 2)
        font = _font(line)
        draw.text((at[0], middle), _cut(line, font, width), "black", font, anchor)


def _cut(text: str, font: Font, width: float) -> str:
    """The text, or its beginning and its end where it is too wide."""
    shown, kept = text, len(text)
    while kept and font.getlength(shown) > width:
        kept -= 1
        shown = text[: kept - kept // 2] + CUT + text[len(text) - kept // 2 :]
    return shown


def _font(text: str) -> Font:
    """The first font that has all of a text, else the one that has most of it."""
    lacking: dict[Font, int] = {}
    for font in _fonts():
        lacking[font] = sum(not _has(font, char) for char in {*text, CUT})
        if not lacking[font]:
            return font
    return min(lacking, key=lambda font: lacking[font])


def _fonts() -> Iterator[Font]:
    """Pillow's font, then the others that there are, which are looked for when they are needed."""
    yield _pillows()
    yield from filter(None, map(_found, OTHERS))


@cache
def _pillows() -> Font:
    return cast("Font", ImageFont.load_default(SIZE))


@cache
def _found(name: str) -> Font | None:
    try:
        return ImageFont.truetype(name, SIZE)
    except OSError:
        return None


@cache
def _has(font: Font, char: str) -> bool:
    """Whether a font has a character that can be seen: it draws it otherwise than one that doesn't exist."""
    return char.isprintable() and bytes(font.getmask(char)) != bytes(font.getmask("\U0010ffff"))
