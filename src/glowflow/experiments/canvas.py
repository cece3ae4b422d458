"""An empty figure, where there is a library to draw it with."""

from typing import TYPE_CHECKING

from glowflow.errors import InputError, install

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def canvas(width: float, height: float, otherwise: str = "") -> "Figure":
    """A figure of so many inches; InputError without matplotlib, saying what else may be done."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (an optional extra)
    except ImportError:
        raise InputError(f"A figure needs matplotlib: {install('bench')}{otherwise}.") from None
    return Figure(figsize=(width, height), layout="constrained")
