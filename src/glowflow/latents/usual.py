"""The range of usual pictures: their bits/dim and extreme values. An edit that leaves this range went too far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from glowflow.evaluate import batch_size, bits_of
from glowflow.images import quantize
from glowflow.model import Glow

SHARES = (50, 99)
"""Percentiles of the bits/dim of usual pictures. There is no lower bound, because a plain picture isn't wrong."""
MORE_EXTREMES = 0.1
"""An edited picture may exceed the usual share of extreme values by this much: hair may turn white."""
NOTABLY = 0.25
"""A picture that was outside before an edit counts as having left the range if its excess grew by more than this."""
FALLEN = 1.0
"""A picture fell apart if its excess grew by more than this in an edit."""


@dataclass(frozen=True)
class Seen:
    """The measurements of a picture.

    >>> Usual(middle=3.0, highest=4.0).excess(Seen(bits_per_dim=4.5, extremes=0.0))
    0.5

    Attributes:
        bits_per_dim: Its bits/dim under the model. Numerical overflow makes them infinite or not a number.
        extremes: The share of its values that are 0 or the highest level. A picture that fell apart has many.
    """

    bits_per_dim: float
    extremes: float


@dataclass(frozen=True)
class Usual:
    """The range of usual pictures.

    >>> Usual.of([Seen(1.0, 0.0), Seen(2.0, 0.0), Seen(3.0, 0.0)]).middle
    2.0

    Attributes:
        middle: The bits/dim that half of them exceed.
        highest: The bits/dim that 1 of 100 exceeds.
        extremes: The largest share of extreme values that isn't suspicious.
    """

    middle: float
    highest: float
    extremes: float = 1.0

    @classmethod
    def of(cls, seen: Sequence[Seen]) -> Self:
        """The range of one or more pictures."""
        middle, highest = np.percentile([one.bits_per_dim for one in seen], SHARES)
        extremes = np.percentile([one.extremes for one in seen], SHARES[1])
        return cls(float(middle), float(highest), min(1.0, float(extremes) + MORE_EXTREMES))

    @classmethod
    def stored(cls, about: Mapping[str, Any]) -> Self | None:
        """The range of bits/dim that a training stored (`StoredModel.usual`); None if it stored none."""
        bits = about.get("bits_per_dim")
        return cls(*(bits[f"{share}%"] for share in SHARES)) if bits else None

    @classmethod
    def read(cls, content: object) -> Self | None:
        """The range that a file holds, or None if it holds none; ValueError if it's damaged."""
        if content is None:
            return None
        names = {field.name for field in fields(cls)}
        if not isinstance(content, dict) or set(content) != names or not content["extremes"] > 0:
            raise ValueError(f"A usual range has the numbers {', '.join(sorted(names))}.")
        return cls(**{name: float(value) for name, value in content.items()})

    def excess(self, seen: Seen) -> float:
        """How far a picture is outside the range: 0 is inside, and 1 is as far as from the range's middle to its end.

        >>> usual = Usual(middle=1.0, highest=2.0, extremes=0.25)
        >>> usual.excess(Seen(0.5, 0.1)), usual.excess(Seen(2.5, 0.0)), usual.excess(Seen(1.5, 0.75))
        (0.0, 0.5, 2.0)
        """
        if not isfinite(seen.bits_per_dim):
            return inf
        bits = (seen.bits_per_dim - self.highest) / self._width
        return max(0.0, bits, seen.extremes / self.extremes - 1)

    def rise(self, before: Seen, after: Seen) -> float:
        """The rise of bits/dim in an edit, where 1 is from the range's middle to its end.

        >>> Usual(middle=1.0, highest=3.0).rise(Seen(1.5, 0.0), Seen(2.5, 0.0))
        0.5
        """
        rise = (after.bits_per_dim - before.bits_per_dim) / self._width
        return rise if isfinite(rise) else inf

    def left(self, before: Seen, after: Seen) -> bool:
        """True if an edit led a picture out of the range, or notably further out if it was outside before."""
        was = self.excess(before)
        return self.excess(after) > (was + NOTABLY if was else 0)

    def fell(self, before: Seen, after: Seen) -> bool:
        """True if a picture fell apart in an edit."""
        return self.excess(after) > self.excess(before) + FALLEN

    @property
    def _width(self) -> float:
        return max(self.highest - self.middle, 1e-9)

    def compared(self, seen: Seen) -> str:
        """The end of a sentence "it takes ..." about a picture outside the range.

        >>> Usual(middle=1.0, highest=2.0, extremes=0.1).compared(Seen(2.5, 0.3))
        '2.50 bits/dim, where at most 2.00 are usual, and 30% of its values are the lowest or the highest possible'
        """
        taken = f"{seen.bits_per_dim:.2f}" if isfinite(seen.bits_per_dim) else "infinitely many"
        bits = f"{taken} bits/dim, where at most {self.highest:.2f} are usual"
        if seen.extremes <= self.extremes:
            return bits
        return f"{bits}, and {seen.extremes:.0%} of its values are the lowest or the highest possible"


@torch.no_grad()
def look(model: Glow, images: Tensor, y: Tensor | None = None) -> list[Seen]:
    """The measurements of images (N, C, H, W), uint8. A class-conditional model takes their labels (N,) too.

    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> look(model, torch.zeros(1, 1, 28, 28, dtype=torch.uint8))[0].extremes
    1.0
    """
    size = batch_size(model.config)
    seen: list[Seen] = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        bits = bits_of(model, part, None if y is None else y[start : start + size])
        seen += map(Seen, bits.tolist(), _extremes(part, model.config.num_bits).tolist())
    return seen


def _extremes(images: Tensor, num_bits: int) -> Tensor:
    """The share (N,) of values that are 0 or the highest level."""
    highest = 256 - 2 ** (8 - num_bits)
    levels = quantize(images, num_bits).flatten(1)
    return ((levels == 0) | (levels == highest)).double().mean(1)
