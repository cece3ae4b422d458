"""The axes of a chart, as HTML with an SVG inside.

The SVG is stretched to the width of the page. So the numbers at its axes are text beside it, which isn't stretched, and
lines keep their width because of `vector-effect`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

SIDE = 1000
"""The SVG's width and height in its own units."""
MOST_TICKS = 5
HEADROOM = 0.04
"""The share of the height that stays free above and below the values."""


@dataclass(frozen=True)
class Scale:
    """A range of values that is mapped to the side of the SVG."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> "Scale":
        """A scale with room for some values and a little more."""
        low, high = min(values), max(values)
        room = HEADROOM * (high - low) or abs(high) / 10 or 1.0
        return cls(low - room, high + room)

    @classmethod
    def from_zero(cls, values: Sequence[float]) -> "Scale":
        """A scale from 0 to the largest of some values and a little more."""
        return cls(0.0, max(0.0, *values) * (1 + HEADROOM) or 1.0)

    def place(self, value: float) -> float:
        """The place of a value: 0 for the lowest, SIDE for the highest."""
        return SIDE * (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """At most MOST_TICKS round numbers within the range.

        >>> Scale(0, 80_000).ticks, Scale(1.19, 1.52).ticks
        ([0.0, 20000.0, 40000.0, 60000.0, 80000.0], [1.2, 1.3, 1.4, 1.5])
        """
        power = 10.0 ** floor(log10((self.high - self.low) / MOST_TICKS))
        step = next(power * each for each in (1, 2, 5, 10, 20) if len(self._multiples(power * each)) <= MOST_TICKS)
        digits = max(0, -floor(log10(step)))
        return [round(each * step, digits) for each in self._multiples(step)]

    def _multiples(self, step: float) -> range:
        return range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)


def plot(x: Scale, y: Scale, shapes: str, spoken: str, number: Callable[[float], str] = "{:g}".format) -> str:
    """A plot: SVG shapes in front of horizontal rules, and the numbers at the axes.

    Args:
        x: The horizontal scale.
        y: The vertical one.
        shapes: The shapes, as SVG.
        spoken: What a screen reader says of it.
        number: Writes the numbers below.
    """
    rules = "".join(f"M0 {SIDE - y.place(tick):.1f}H{SIDE}" for tick in y.ticks)
    beside = "".join(f'<span class="y" style="top:{100 - _percent(y, each)}%">{each:g}</span>' for each in y.ticks)
    below = "".join(f'<span class="x" style="left:{_percent(x, each)}%">{number(each)}</span>' for each in x.ticks)
    return (
        f'<div class="plot"><div class="labels" aria-hidden="true">{beside}{below}</div>'
        f'<svg viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none" role="img" aria-label="{escape(spoken)}">'
        f'<path class="rules" d="{rules}"/>{shapes}</svg></div>'
    )


def _percent(scale: Scale, value: float) -> float:
    return round(100 * scale.place(value) / SIDE, 2)
