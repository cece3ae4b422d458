"""Charts: curves against the number of images drawn, and histograms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil
from statistics import fmean

from glowflow.reports.axes import SIDE, Scale, plot
from glowflow.reports.history import Point

MOST_POINTS = 300
BEGINNING = 0.05
"""The share of the images whose values may be cut off at the top, since they can be far above all others."""


@dataclass(frozen=True)
class Curve:
    """A curve of a chart.

    Attributes:
        name: What the legend calls it.
        style: Its class in the style sheet.
        points: Its values; there may be none.
        is_dotted: True to mark each value.
    """

    name: str
    style: str
    points: Sequence[Point]
    is_dotted: bool = False


def chart(
    title: str,
    curves: Sequence[Curve],
    images: int,
    number: Callable[[float], str],
    scale: Callable[[Sequence[float]], Scale] = Scale.around,
) -> str:
    """Curves as HTML; empty if none has a point.

    Args:
        title: The title above them.
        curves: The curves, the most important one last, where it covers the others.
        images: The number of images at the right end.
        number: Writes the latest values.
        scale: Makes the vertical scale for some values.
    """
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return ""
    x, y = Scale(0, images), scale(_shown([point for curve in drawn for point in curve.points]))
    named = [(curve, number(curve.points[-1][1])) for curve in reversed(drawn)]
    legend = "".join(f'<li class="{c.style}">{escape(c.name)} <b>{escape(value)}</b></li>' for c, value in named)
    spoken = "; ".join(f"{curve.name}: {value} at the end" for curve, value in named)
    moment = f'<path class="moment" data-images="{images}" d="M{SIDE} 0V{SIDE}"/>'
    shapes = "".join(_line(curve, x, y) for curve in drawn) + moment
    about = f'<figcaption>{escape(title)}</figcaption><ul class="legend">{legend}</ul>'
    return f'<figure class="chart">{about}{plot(x, y, shapes, f"{title}. {spoken}.", short)}</figure>'


def _shown(points: Sequence[Point]) -> list[float]:
    """The values that must be in the chart: those after the beginning, or all if there are few."""
    latest = max(images for images, _ in points)
    later = [value for images, value in points if images > BEGINNING * latest]
    return later if len(later) > 2 else [value for _, value in points]


def _line(curve: Curve, x: Scale, y: Scale) -> str:
    """A curve. A dot is a line without length that has round ends, so it stays round if the SVG is stretched."""
    places = [f"{x.place(images):.1f} {SIDE - y.place(value):.1f}" for images, value in fewer(curve.points)]
    line = f'<path class="curve {curve.style}" d="M{"L".join(places)}"/>'
    dots = "".join(f"M{place}h0" for place in places)
    return line + (f'<path class="dots {curve.style}" d="{dots}"/>' if curve.is_dotted or len(places) == 1 else "")


def fewer(points: Sequence[Point]) -> list[Point]:
    """At most MOST_POINTS points: the means of neighbours. The last one stays as it is.

    >>> fewer([(1, 0.5), (2, 0.7)]), len(fewer([(n, 0.0) for n in range(1000)]))
    ([(1, 0.5), (2, 0.7)], 251)
    """
    *others, last = points
    size = ceil(len(others) / (MOST_POINTS - 1)) or 1
    groups = [others[start : start + size] for start in range(0, len(others), size)]
    return [*((group[-1][0], fmean(value for _, value in group)) for group in groups), last]


def short(images: float) -> str:
    """A number of images, in thousands or millions if it's large.

    >>> short(20_000), short(500)
    ('20k', '500')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if images >= size:
            return f"{images / size:g}{letter}"
    return f"{images:g}"


def histogram(title: str, counts: Sequence[int], limits: tuple[float, float]) -> str:
    """A histogram as HTML: how many images there are in ranges of equal width between two limits."""
    x, y, width = Scale(*limits), Scale.from_zero(counts), SIDE / len(counts)
    tops = [(place * width, y.place(count)) for place, count in enumerate(counts) if count]
    outline = "".join(f"M{left:.1f} {SIDE}v-{height:.1f}h{width:.1f}V{SIDE}z" for left, height in tops)
    spoken = f"{title}: {sum(counts)} images from {limits[0]:.3g} to {limits[1]:.3g}"
    drawn = plot(x, y, f'<path class="bars" d="{outline}"/>', spoken)
    return f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{drawn}</figure>'
