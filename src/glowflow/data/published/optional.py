"""Libraries that only some formats need, imported where they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from glowflow.errors import InputError, install


def imported(module: str, needed_by: str, extra: str) -> Any:  # noqa: ANN401  a module has no type of its own
    """The module.

    Raises:
        InputError: it isn't installed, or doesn't work here; the sentence says which extra has it.
    """
    try:
        return import_module(module)
    except ImportError:
        reason = "which is not installed"
    except (OSError, RuntimeError) as error:  # compiled for another version of torch
        reason = f"which doesn't work here ({' '.join(str(error).split())})"
    package = module.partition(".")[0]
    raise InputError(f"{needed_by} needs {package}, {reason}: {install(extra)}.")
