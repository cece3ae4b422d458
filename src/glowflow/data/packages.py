"""Files that other Python packages ship, found without importing those packages."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from glowflow.errors import InputError, install


def require(package: str, dataset: str) -> ModuleSpec:
    """Where a package is.

    Raises:
        InputError: it isn't installed; the sentence says how to install what `dataset` needs.
    """
    spec = find_spec(package)
    if spec is None:
        raise _missing(package, dataset)
    return spec


def package_file(package: str, relative: str, dataset: str) -> Path:
    """The path of a file that a package ships.

    Raises:
        InputError: the package, or the file in it, isn't there.
    """
    path = Path(require(package, dataset).origin or "").parent / relative
    if not path.is_file():
        raise _missing(f"{package}'s file {relative}", dataset)
    return path


def _missing(what: str, dataset: str) -> InputError:
    return InputError(f"{dataset} needs {what}, which is not installed: {install('data')}.")
