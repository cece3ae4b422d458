"""glowflow: Glow (Kingma & Dhariwal 2018) on your images."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from glowflow.config import GlowConfig, TrainConfig
from glowflow.errors import InputError

if TYPE_CHECKING:
    from glowflow.model import Glow as Glow

__version__ = "0.1.0"
__all__ = ["Glow", "GlowConfig", "InputError", "TrainConfig", "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import `Glow`, and torch with it, when it's first asked for."""
    if name == "Glow":
        return import_module("glowflow.model").Glow
    raise AttributeError(f"module 'glowflow' has no attribute {name!r}")
