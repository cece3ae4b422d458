"""Draw a folder of smileys, happy and unhappy ones, to train on (needs `apt-get install fonts-noto-color-emoji`).

Each emoji is drawn many times, at different sizes and angles, before different colours. The sub-folder `test` shows
other emoji than `train`.

    python -m tools.smileys smileys
"""

import sys
from pathlib import Path
from random import Random

from PIL import Image, ImageOps
from PIL.ImageFont import FreeTypeFont

from glowflow.experiments import emoji

EMOJI = {
    "happy": "😄😀😃😁😆😅😍😂🙂😉🥰🤩😊😘😗😚😙😋😛😜🤪😝😌😏😎🤓",
    "unhappy": "🙁☹😕😟😦😧😢😥😭😖😣😞😠😓😩😫😤😒😬🙄😔😪🥺🤨😰😨",
}
APART = 6
"""Each sixth emoji is a test emoji."""
NUM_PICTURES = {"train": 2000, "test": 50}
"""The number of pictures with each label."""

CANVAS = (140, 175)
"""The smallest and the largest side of the square that an emoji stands in, in pixels of the font."""
MOST_TILT = 20
"""Degrees, to either side."""
COLOURS = ("#ffffff", "#d4e7ff", "#d2f2d6", "#ffdada", "#e6daff")
SIDE = 64


def main(folder: Path) -> None:
    """Draw all pictures that aren't there yet."""
    font = emoji.load_font()
    for split, num in NUM_PICTURES.items():
        for label in EMOJI:
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            for number in range(num):
                path = folder / split / label / f"{number:04}.png"
                if not path.exists():
                    drawn(font, chosen(split, label), number).save(path)


def chosen(split: str, label: str) -> str:
    """The emoji of a split with a label."""
    return "".join(text for place, text in enumerate(EMOJI[label]) if (place % APART == 0) == (split == "test"))


def drawn(font: FreeTypeFont, texts: str, number: int) -> Image.Image:
    """Picture `number` of these emoji, at a random size and angle, before a random colour."""
    rng, text = Random(number), texts[number % len(texts)]
    side, colour = rng.randint(*CANVAS), rng.choice(COLOURS)
    picture = Image.new("RGB", (side, side), colour)
    emoji.draw(text, font, picture)
    picture = picture.rotate(rng.uniform(-MOST_TILT, MOST_TILT), Image.Resampling.BICUBIC, fillcolor=colour)
    picture = ImageOps.mirror(picture) if rng.random() < 0.5 else picture
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
