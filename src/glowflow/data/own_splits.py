"""Which data comes with a test split of its own. Otherwise glowflow makes one, of a tenth of the images."""

from pathlib import Path

import numpy as np

from glowflow.data.registry import is_name
from glowflow.data.splits import split_named
from glowflow.paths import expanded


def has_own_splits(source: str) -> bool:
    """True for the name of a data set, and for a folder or a file that is divided into training images and others.

    >>> has_own_splits("digits"), has_own_splits("no such folder")
    (True, False)
    """
    path = Path(expanded(source))
    if is_name(source):
        return True
    if path.is_dir():
        return any(child.is_dir() and split_named(child.name) == "train" for child in path.iterdir())
    return path.suffix.lower() == ".npz" and path.is_file() and _is_divided(path)


def _is_divided(path: Path) -> bool:
    with np.load(path, allow_pickle=False) as arrays:
        return "images" not in arrays.files and any(split_named(name) == "train" for name in arrays.files)
