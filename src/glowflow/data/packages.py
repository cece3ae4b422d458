"""Packages that only some data sets need, and files in such packages.

An InputError says how to install a package that is missing.
"""

from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from glowflow.errors import InputError, install


def imported(module: str, needed_by: str, extra: str) -> Any:  # noqa: ANN401  a module has no type of its own
    """The module; InputError if it's missing or doesn't work here."""
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError:
        raise _missing(package, needed_by, extra) from None
    except (OSError, RuntimeError) as error:  # compiled for another version of torch
        reason = f"which doesn't work here ({' '.join(str(error).split())})"
        raise _missing(package, needed_by, extra, reason) from error


def require(package: str, dataset: str) -> ModuleSpec:
    """The location of a package, which isn't imported."""
    if spec := find_spec(package):
        return spec
    raise _missing(package, dataset, "data")


def package_file(package: str, relative: str, dataset: str) -> Path:
    """The path of a file in a package."""
    path = Path(require(package, dataset).origin or "").parent / relative
    if not path.is_file():
        raise _missing(f"{package}'s file {relative}", dataset, "data")
    return path


def _missing(what: str, needed_by: str, extra: str, reason: str = "which is not installed") -> InputError:
    return InputError(f"{needed_by} needs {what}, {reason}: {install(extra)}.")
