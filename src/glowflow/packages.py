"""Optional packages, and files that they ship. A missing one is an InputError that says how to install it."""

from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from glowflow.errors import InputError, install, one_line


def imported(module: str, needed_by: str, extra: str, otherwise: str = "") -> Any:  # noqa: ANN401 (a module)
    """Import a module.

    Args:
        module: Its full name.
        needed_by: The subject of the message.
        extra: The extra of glowflow that installs it.
        otherwise: What else the user can do, as the end of the message.

    Raises:
        InputError: If the module isn't installed, or doesn't work here.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = (error.name or module).partition(".")[0]
        raise _missing(package, needed_by, extra, otherwise=otherwise) from None
    except (OSError, RuntimeError) as error:  # compiled for another version of torch
        reason = f"which doesn't work here ({one_line(error)})"
        raise _missing(module.partition(".")[0], needed_by, extra, reason, otherwise) from error


def require(package: str, dataset: str) -> ModuleSpec:
    """Find a package without importing it."""
    if spec := find_spec(package):
        return spec
    raise _missing(package, dataset, "data")


def package_file(package: str, relative: str, dataset: str) -> Path:
    """The path of a file that a package ships."""
    path = Path(require(package, dataset).origin or "").parent / relative
    if not path.is_file():
        raise _missing(f"{package}'s file {relative}", dataset, "data")
    return path


def _missing(
    what: str, needed_by: str, extra: str, reason: str = "which is not installed", otherwise: str = ""
) -> InputError:
    return InputError(f"{needed_by} needs {what}, {reason}: {install(extra)}{otherwise}.")
