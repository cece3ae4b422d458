"""A picture of how the scores of two kinds of images are distributed."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from glowflow.captions import LINE, MARGIN, Caption, write
from glowflow.evaluate import Floats

WIDTH, HEIGHT = 360, 120
BARS = 60
SHOWN = (0.5, 99.5)
"""The percentiles of all scores between which the bars lie. Scores beyond count for the first or the last bar."""
USUAL, OTHER = (38, 84, 124), (224, 110, 40)
OPACITY = 0.6
LEGEND, SQUARE = 28, 12


def histograms(scores: Mapping[str, tuple[Floats, Floats, Caption]]) -> Image.Image:
    """A panel for each score, two in a row: its name, a caption, and the bars of usual images and of others.

    The first row says which colour is which.

    >>> rng = np.random.default_rng(0)
    >>> histograms({"unusual": (rng.normal(size=100), rng.normal(size=50) + 2, ("AUROC 0.92",))}).size
    (760, 228)

    Args:
        scores: For each name, the scores (N,) of usual images and (M,) of others, and the caption.
    """
    panels = [_panel(usual, other, (name, *caption)) for name, (usual, other, caption) in scores.items()]
    width, height = panels[0].size
    picture = Image.new("RGB", (2 * width, LEGEND + -(-len(panels) // 2) * height), "white")
    usual, other, _ = next(iter(scores.values()))
    named = ((f"{len(usual):,} usual images", USUAL), (f"{len(other):,} other images", OTHER))
    for x, (name, colour) in zip((10, width + 10), named, strict=True):
        _legend(ImageDraw.Draw(picture), x, name, colour)
    for index, panel in enumerate(panels):
        picture.paste(panel, (index % 2 * width, LEGEND + index // 2 * height))
    return picture


def _legend(draw: ImageDraw.ImageDraw, x: int, name: str, colour: tuple[int, int, int]) -> None:
    pale = tuple(round(255 - OPACITY * (255 - value)) for value in colour)
    draw.rectangle((x, LEGEND / 2 - SQUARE / 2, x + SQUARE, LEGEND / 2 + SQUARE / 2), pale)
    write(draw, (name,), (x + 2 * SQUARE, LEGEND / 2), WIDTH, "lm")


def _panel(usual: Floats, other: Floats, caption: Caption) -> Image.Image:
    top = MARGIN + LINE * len(caption)
    panel = Image.new("RGB", (WIDTH + 20, top + HEIGHT + LINE + MARGIN + 10), "white")
    draw = ImageDraw.Draw(panel)
    write(draw, caption, (panel.width / 2, top / 2), WIDTH, "mm")
    ends = _ends(np.concatenate([usual, other]))
    panel.paste(_bars([usual, other], ends), (10, top))
    for x, number, anchor in ((10, ends[0], "lm"), (WIDTH + 10, ends[1], "rm")):
        write(draw, (f"{number:.3g}",), (x, top + HEIGHT + LINE / 2), WIDTH, anchor)
    return panel


def _ends(values: Floats) -> tuple[float, float]:
    """The ends of the axis, which are finite and differ."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, SHOWN) if len(finite) else (0.0, 0.0)
    return float(low), float(high if high > low else low + 1)


def _bars(kinds: list[Floats], ends: tuple[float, float]) -> Image.Image:
    """The shares of images in each bar, one kind over the other."""
    inside = [np.nan_to_num(values, nan=np.inf).clip(*ends) for values in kinds]
    shares = [np.histogram(values, BARS, ends)[0] / len(values) for values in inside]
    highest = max(share.max() for share in shares)
    heights = np.arange(HEIGHT, 0, -1)[:, None] / HEIGHT
    pixels = np.full((HEIGHT, WIDTH, 3), 255.0)
    for share, colour in zip(shares, (USUAL, OTHER), strict=True):
        covered = (heights <= share.repeat(WIDTH // BARS) / highest)[..., None]
        pixels = np.where(covered, (1 - OPACITY) * pixels + OPACITY * np.array(colour), pixels)
    return Image.fromarray(pixels.round().astype(np.uint8))
