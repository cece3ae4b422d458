"""Samples through time: what the same latents look like at moments of a training."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from PIL import Image

from glowflow.pictures import tiles, unstacked
from glowflow.reports.thumbnails import thumbnails
from glowflow.shapes import Shape
from glowflow.training.record import SAMPLE_COLUMNS, SAMPLE_ROWS, SAMPLE_TEMPERATURES, SAMPLES

TEMPERATURE = 0.7
MOST_MOMENTS = 40

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Moment:
    """Samples after a number of images, as the address of a picture (a data URI)."""

    images: int
    picture: str


@dataclass
class Moments:
    """The pictures of moments. Each is made once, as long as this object lives."""

    _made: dict[Path, str] = field(default_factory=dict)

    def of(self, out: Path, shape: Shape, until: int) -> list[Moment]:
        """The moments of the run in `out` up to so many images: at most MOST_MOMENTS, evenly spaced, and the last.

        They are made from the pictures that the training writes. What can't be read is left out.

        Args:
            out: The run's directory.
            shape: (C, H, W) of its images.
            until: Pictures from later on are of a training that went on from an earlier checkpoint.
        """
        numbered = {int(path.stem): path for path in (out / SAMPLES).glob("*.png") if path.stem.isdecimal()}
        chosen = thinned([(images, path) for images, path in sorted(numbered.items()) if images <= until])
        self._made = {path: self._made.get(path) or _picture(path, shape) for _, path in chosen}
        return [Moment(images, self._made[path]) for images, path in chosen if self._made[path]]


def thinned(entries: Sequence[Entry]) -> list[Entry]:
    """At most MOST_MOMENTS of some entries: every one, or every second, or every fourth, and so on, and the last.

    So the entries that are chosen from a longer list are among those that were chosen before, except for new ones.

    >>> thinned(range(41))[:3], thinned(range(41))[-2:], len(thinned(range(40)))
    ([0, 2, 4], [38, 40], 40)
    """
    stride = 1
    while len(entries) > stride * (MOST_MOMENTS - 1) + 1:
        stride *= 2
    return [*entries[:-1:stride], *entries[-1:]]


def _picture(path: Path, shape: Shape) -> str:
    """The samples in a picture of the training, as the address of a smaller picture; empty if it can't be read."""
    _, height, width = shape
    try:
        with Image.open(path) as picture:
            rows = unstacked(picture, len(SAMPLE_TEMPERATURES))[SAMPLE_TEMPERATURES.index(TEMPERATURE)]
        enlarged = tiles(rows, SAMPLE_ROWS, SAMPLE_COLUMNS)
        size = min(width, enlarged[0].width), min(height, enlarged[0].height)
        return thumbnails([image.resize(size, Image.Resampling.NEAREST) for image in enlarged])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # what Pillow raises for a damaged PNG
        return ""
