"""An empty figure of matplotlib's, which is an optional package."""

from typing import TYPE_CHECKING

from glowflow.errors import InputError, install

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def canvas(width: float, height: float, otherwise: str = "") -> "Figure":
    """An empty figure of a size in inches; InputError without matplotlib, ending with what else may be done."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (an optional extra)
    except ImportError:
        raise InputError(f"A figure needs matplotlib: {install('bench')}{otherwise}.") from None
    return Figure(figsize=(width, height), layout="constrained")
