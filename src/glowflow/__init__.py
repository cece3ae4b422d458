"""glowflow: Glow (Kingma & Dhariwal 2018) on your images."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.errors import InputError

if TYPE_CHECKING:
    from glowflow.data import Dataset as Dataset
    from glowflow.data import load as load
    from glowflow.execution import Execution as Execution
    from glowflow.model import Glow as Glow
    from glowflow.training import Options as Options
    from glowflow.training import train as train

__version__ = "0.2.0.dev0"

LAZY = {
    "Dataset": "glowflow.data",
    "Execution": "glowflow.execution",
    "Glow": "glowflow.model",
    "Options": "glowflow.training",
    "load": "glowflow.data",
    "train": "glowflow.training",
}
"""What is imported, and torch with it, when it is first asked for: names and their modules."""

__all__ = [  # noqa: RUF022 (what one needs first comes first)
    "Glow",
    "GlowConfig",
    "TrainConfig",
    "RunConfig",
    "train",
    "load",
    "Dataset",
    "Execution",
    "Options",
    "InputError",
    "__version__",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is imported lazily."""
    if name in LAZY:
        return getattr(import_module(LAZY[name]), name)
    raise AttributeError(f"module 'glowflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
