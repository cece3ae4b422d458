"""An empty figure, where there is a library to draw it with."""

from typing import TYPE_CHECKING

from glowflow.packages import imported

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def canvas(width: float, height: float, otherwise: str = "") -> "Figure":
    """A figure of so many inches; InputError without matplotlib, saying what else may be done."""
    library = imported("matplotlib.figure", "A figure", "bench", otherwise)
    figure: Figure = library.Figure(figsize=(width, height), layout="constrained")
    return figure
