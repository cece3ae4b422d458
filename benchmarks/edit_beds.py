"""Folders of pictures like those of users, with two labels each: emoji by skin tone, faces by eyeglasses.

The emoji are Google's: `apt-get install fonts-noto-color-emoji unicode-data`. The faces are cartoon faces that aren't
in the data set `faces`.
"""

from collections.abc import Collection, Iterator
from itertools import count, cycle, islice
from pathlib import Path

from PIL import Image

from glowflow.data.face_drawing import render
from glowflow.data.face_parts import EYEGLASSES, choose
from glowflow.experiments.emoji import SIDE, draw, load_font

LIST = Path("/usr/share/unicode/emoji/emoji-test.txt")
NUM_PICTURES = 700
"""The number of pictures with each label."""

TONES = {"light": ("1F3FB", "1F3FC"), "dark": ("1F3FE", "1F3FF")}
BACKGROUNDS = (
    ("#b8d8ff", "#3f6fb0"),
    ("#c0f4cb", "#3f8a4c"),
    ("#ffc8c8", "#b04a4a"),
    ("#e0d0ff", "#7a5fb0"),
    ("#a8eaf0", "#1f8890"),
)
"""Background colours on which light and dark skin stand out alike."""

FACES_SEED = 1
FACES_SIZE = 64


def emoji(folder: Path) -> None:
    """Hands and people with light or dark skin, before one or two of five colours."""
    font = load_font()
    for label, tones in TONES.items():
        (folder / label).mkdir(parents=True)
        for number, text in enumerate(islice(cycle(_texts(tones)), NUM_PICTURES)):
            picture = _background(*BACKGROUNDS[number % len(BACKGROUNDS)])
            draw(text, font, picture)
            picture.save(folder / label / f"{number:03}.png")


def _background(top: str, bottom: str) -> Image.Image:
    first, last = Image.new("RGB", (SIDE, SIDE), top), Image.new("RGB", (SIDE, SIDE), bottom)
    return Image.composite(last, first, Image.linear_gradient("L").resize((SIDE, SIDE)))


def _texts(tones: tuple[str, ...]) -> Iterator[str]:
    """Emoji with one of these skin tones and no other, as text."""
    for line in LIST.read_text().splitlines():
        codes, _, kind = line.partition(";")
        found = [code for code in codes.split() if "1F3FB" <= code <= "1F3FF"]
        if len(found) == 1 and found[0] in tones and kind.strip().startswith("fully-qualified"):
            yield "".join(chr(int(code, 16)) for code in codes.split())


def faces(folder: Path) -> None:
    """Cartoon faces with eyeglasses, and without any glasses."""
    for label, glasses in (("with", EYEGLASSES), ("without", {"NONE"})):
        (folder / label).mkdir(parents=True)
        for index in islice(_faces(glasses), NUM_PICTURES):
            Image.fromarray(render(FACES_SEED, index, FACES_SIZE)).save(folder / label / f"{index:05}.png")


def _faces(accessories: Collection[str]) -> Iterator[int]:
    """The numbers of faces with one of these accessories."""
    return (index for index in count() if choose(FACES_SEED, index).accessory in accessories)


BEDS = {"emoji": emoji, "faces": faces}
