"""Which data comes with a test split of its own. Otherwise glowflow makes one, of a tenth of the images."""

from pathlib import Path

import numpy as np

from glowflow.data.joined import names_in
from glowflow.data.registry import is_name
from glowflow.data.splits import split_named
from glowflow.paths import expanded


def has_own_splits(source: str) -> bool:
    """True for the name of a data set, and for a folder or a file that is divided into training images and others.

    For joined data, it's enough that one of the parts is such.

    >>> has_own_splits("digits"), has_own_splits("no such folder"), has_own_splits("no such folder+photos")
    (True, False, True)
    """
    return any(map(_has_own, names_in(source)))


def _has_own(source: str) -> bool:
    path = Path(expanded(source))
    if is_name(source):
        return True
    if path.is_dir():
        return any(child.is_dir() and split_named(child.name) == "train" for child in path.iterdir())
    return path.suffix.lower() == ".npz" and path.is_file() and _is_divided(path)


def _is_divided(path: Path) -> bool:
    """True if there is an array of training images. A file that can't be read has none; `load` says what is wrong."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return "images" not in arrays.files and any(split_named(name) == "train" for name in arrays.files)
    except Exception:  # a broken file makes NumPy, zipfile and zlib raise many things
        return False
