"""Makes `tests/data/archive/images.glow`, which must be read for ever, by `python -m tests.golden_archive`."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.cli import main

PLACE = Path(__file__).parent / "data" / "archive"
COUNT, BLOCK = 200, 100


def images() -> NDArray[np.uint8]:
    """Images that a formula makes, (COUNT, 8, 8)."""
    k, i, j = np.indices((COUNT, 8, 8))
    return (100 + 3 * i + 2 * j + k % 7 + (i * j * k) % 5).astype(np.uint8)


def name_of(number: int) -> str:
    """The name of an image's file; every tenth one is a PGM file."""
    return f"{number}.{'pgm' if number % 10 == 9 else 'png'}"


def fill(folder: Path) -> None:
    """Write these images into a folder, and a text. File n was last changed n seconds after the beginning of 1970."""
    (folder / "more").mkdir(parents=True)
    (folder / "more" / "notes.txt").write_text("kept\n")
    os.utime(folder / "more" / "notes.txt", ns=(0, 0))
    for number, image in enumerate(images()):
        path = folder / name_of(number)
        Image.fromarray(image).save(path)
        os.utime(path, ns=(number * 10**9, number * 10**9))


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as home:
        fill(Path(home) / "images")
        words = [PLACE / "model", Path(home) / "images", PLACE / "images.glow", "--block", BLOCK]
        raise SystemExit(main(["archive", "create", *map(str, words)]))
