"""Captions leave images as they are, and any text is legible."""

import numpy as np
import pytest
import torch
from PIL import Image

from glowflow.captions import MARGIN, captioned, legible
from glowflow.pictures import grid, suitable


@pytest.fixture(name="picture")
def _picture() -> Image.Image:
    images = torch.randint(256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return grid(images, columns=3, enlarge=6)


def ink(picture: Image.Image, *, left: int = 0, right: int | None = None) -> int:
    """The number of pixels that aren't white."""
    return int((np.asarray(picture)[:, left:right] < 255).any(-1).sum())


def test_the_images_stay_as_they_are(picture: Image.Image) -> None:
    assert captioned(picture) is picture
    assert captioned(picture, [(), (), ()], [(), ()]) is picture
    with_captions = captioned(picture, [("a", "b"), (), ("c",)], [("first",), ("second",)])
    width, height = with_captions.size
    inside = (width - MARGIN - picture.width, height - MARGIN - picture.height, width - MARGIN, height - MARGIN)
    assert np.array_equal(np.asarray(with_captions.crop(inside)), np.asarray(picture))
    assert ink(with_captions) > ink(picture)


NAMES = [
    "caf\u00e9.png",
    "cafe\u0301.png",
    "\u6771\u4eac",
    "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600",
    "caf\udce9",
    "a\nb\tc",
    "\x00",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_any_name_is_legible(picture: Image.Image, name: str, mode: str) -> None:
    shown, other = (captioned(picture.convert(mode), [(text,), (), ()], [(text,), ()]) for text in (name, f"{name}2"))
    assert shown.tobytes() != other.tobytes()
    assert legible(name).isprintable()


def test_names_without_a_font_are_told_apart() -> None:
    assert legible("\U000e0041") != legible("\U000e0042")
    assert legible("caf\udce9") == "caf\\udce9"
    assert legible("cafe\u0301") == legible("caf\u00e9")


def test_a_long_name_stays_in_its_place(picture: Image.Image) -> None:
    """The beginning and the end of a long caption fit, and neighbours and images keep their size."""
    short, long = (captioned(picture, [(), (name,), ()]) for name in ("a", "a long name " * 20 + ".png"))
    assert short.size == long.size
    third = short.width // 3
    assert ink(short, right=third) == ink(long, right=third)
    assert ink(short, left=2 * third + MARGIN) == ink(long, left=2 * third + MARGIN)
    beside = captioned(picture, beside=[("a long name " * 20,), ()])
    assert beside.width < picture.width + 300


@pytest.mark.parametrize(
    ("shape", "num", "columns", "side"),
    [
        ((3, 32, 32), 1, 1, 256),
        ((3, 32, 32), 64, 8, 128),
        ((1, 28, 28), 64, 8, 112),
        ((3, 64, 64), 20, 10, 128),
        ((3, 64, 64), 2000, 50, 64),
        ((3, 256, 256), 4, 2, 256),
        ((3, 512, 512), 1, 1, 512),
        ((3, 8, 4), 1, 1, 256),
    ],
)
def test_images_are_enlarged_to_suit_a_screen(shape: tuple[int, int, int], num: int, columns: int, side: int) -> None:
    factor = suitable(num, shape[1:], columns)
    assert factor * max(shape[1:]) == side
