"""Heat maps: pictures of numbers at each pixel, with a scale of colours, beside the image and over it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from glowflow.captions import LINE, MARGIN, Caption, captioned, write
from glowflow.data import Dataset
from glowflow.evaluate import Floats
from glowflow.model import Glow
from glowflow.pictures import LARGEST_TILE, as_picture
from glowflow.scoring.colours import coloured
from glowflow.scoring.where import UsualBits, bits_by_pixel

LEAST_SCALE = 5.0
"""A scale of standard deviations reaches at least so far, so that the map of a usual image stays dark."""
NARROWEST = 180
"""The smallest width of a part of the picture, in pixels. Its captions need this room."""
BAR = 12
"""The height of a scale's colours, in pixels."""
DIMMED = 0.6
"""The brightness of an image under a heat map. Bright colours couldn't be seen on a brighter one."""


@dataclass(frozen=True)
class Heat:
    """Numbers at each pixel, and the ends of their scale of colours.

    >>> Heat.unusual(np.array([[-1.0, 2.0]])).shares
    array([[0. , 0.4]])

    Attributes:
        values: (H, W).
        ends: The numbers that get the first and the last colour. Numbers beyond them get the same colours.
        caption: What the numbers are.
    """

    values: Floats
    ends: tuple[float, float]
    caption: str

    @classmethod
    def bits(cls, values: Floats) -> Self:
        """A map of bits, such as `Bits.total`. Its scale reaches from the least to the most."""
        finite = values[np.isfinite(values)]
        ends = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        return cls(values, ends, "bits of each pixel")

    @classmethod
    def unusual(cls, values: Floats) -> Self:
        """A map of deviations, such as `UsualBits.excess`. Its scale reaches from 0 to LEAST_SCALE or further."""
        most = values[np.isfinite(values)].max(initial=LEAST_SCALE)
        return cls(values, (0.0, float(most)), "deviations above usual bits")

    @property
    def shares(self) -> Floats:
        """The place of each number on the scale, from 0 to 1, (H, W). What isn't a number is at the end."""
        low, high = self.ends
        return np.nan_to_num((self.values - low) / ((high - low) or 1.0), nan=1.0).clip(0, 1)


def heats(
    model: Glow, dataset: Dataset, rows: Sequence[int], usual: UsualBits | None = None, seed: int = 0
) -> Iterator[list[Heat]]:
    """Yield the maps of the images at some rows: of their bits, and of the deviations if usual bits are given.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model, digits = Glow(GlowConfig((1, 28, 28), steps=1, width=8)), load("digits", (1, 28, 28), "test")
    >>> [[heat.caption for heat in maps] for maps in heats(model, digits, [3, 7])]
    [['bits of each pixel'], ['bits of each pixel']]
    """
    noisy = bits_by_pixel(model, dataset, rows, seed)
    if usual is None:
        yield from ([Heat.bits(values)] for bits in noisy for values in bits.total.numpy())
        return
    for bits, still in zip(noisy, bits_by_pixel(model, dataset, rows, seed=None), strict=True):
        for values, excess in zip(bits.total.numpy(), usual.excess(still), strict=True):
            yield [Heat.bits(values), Heat.unusual(excess)]


def drawn(image: NDArray[np.uint8], heats: Sequence[Heat], title: Caption = ()) -> Image.Image:
    """A picture of an image, of each heat map with its scale, and of the last heat map over the image.

    >>> image, bits = np.zeros((28, 28, 1), np.uint8), np.random.default_rng(0).random((28, 28))
    >>> drawn(image, [Heat.bits(bits)], title=("an image",)).size
    (796, 324)

    Args:
        image: uint8 (H, W, C).
        heats: One or more maps of it.
        title: Lines above the image.
    """
    plain = np.asarray(as_picture(image).convert("RGB"))
    maps = [_panel(coloured(heat.shares), heat.ends) for heat in heats]
    panels = [_panel(plain), *maps, _panel(_over(plain, heats[-1].shares))]
    return captioned(_beside(panels), [title, *((heat.caption,) for heat in heats), ("over the image",)])


def _over(plain: NDArray[np.uint8], shares: Floats) -> NDArray[np.uint8]:
    """The colours of numbers (H, W) over a grey form of an image (H, W, 3). The lowest numbers are transparent."""
    grey = DIMMED * plain.mean(2, keepdims=True)
    return (grey + shares[..., None] * (coloured(shares) - grey)).round().astype(np.uint8)


def _panel(pixels: NDArray[np.uint8], ends: tuple[float, float] | None = None) -> Image.Image:
    """Pixels (H, W, 3), enlarged, above a scale of colours with numbers if it has ends, else above nothing."""
    height, width, _ = pixels.shape
    factor = max(1, LARGEST_TILE // max(height, width))
    tile = Image.fromarray(pixels).resize((factor * width, factor * height), Image.Resampling.NEAREST)
    panel = Image.new("RGB", (max(NARROWEST, tile.width) + MARGIN, tile.height + MARGIN + BAR + LINE), "white")
    left = (panel.width - tile.width) // 2
    panel.paste(tile, (left, 0))
    if ends:
        _draw_scale(panel, ends, tile.height + MARGIN)
    return panel


def _draw_scale(panel: Image.Image, ends: tuple[float, float], top: int) -> None:
    """Draw all colours in a row across a panel, and below them the numbers at both ends and in the middle."""
    left, right = MARGIN, panel.width - MARGIN
    colours = coloured(np.linspace(0, 1, right - left))
    panel.paste(Image.fromarray(colours[None].repeat(BAR, axis=0)), (left, top))
    low, high = ends
    draw, middle = ImageDraw.Draw(panel), top + BAR + LINE / 2
    for x, number, anchor in ((left, low, "lm"), ((left + right) / 2, (low + high) / 2, "mm"), (right, high, "rm")):
        write(draw, (f"{number:.2f}",), (x, middle), NARROWEST, anchor)


def _beside(panels: Sequence[Image.Image]) -> Image.Image:
    """Panels of one size in a row."""
    width, height = panels[0].size
    row = Image.new("RGB", (width * len(panels), height))
    for index, panel in enumerate(panels):
        row.paste(panel, (index * width, 0))
    return row
