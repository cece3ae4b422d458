"""An empty figure of matplotlib's, which is an optional package."""

from typing import TYPE_CHECKING

from glowflow.packages import imported

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def canvas(width: float, height: float, otherwise: str = "") -> "Figure":
    """An empty figure of a size in inches; InputError without matplotlib, ending with what else may be done."""
    library = imported("matplotlib.figure", "A figure", "bench", otherwise)
    figure: Figure = library.Figure(figsize=(width, height), layout="constrained")
    return figure
