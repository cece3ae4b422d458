"""Parts of published data sets that are folders of image files."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import SPLITS
from glowflow.data.folder import arranged
from glowflow.data.listing import listing
from glowflow.data.published.reading import Item, MissingError, Part, Reading


def picture_files(
    folder: Path,
    names: Sequence[str],
    attributes: NDArray[np.bool_] | None = None,
    key: Callable[[str], str] = str,
) -> Part:
    """A part of image files, given by names within a folder and attributes (N, A). `key` makes a key of a name."""

    def items(start: int) -> Iterator[Item]:
        for row in range(start, len(names)):
            path = os.path.join(folder, names[row])
            known = () if attributes is None else attributes[row]
            yield Item(key(names[row]), path, Path(path), attributes=known)

    return Part(len(names), lambda: map(key, names), items)


def every_picture(folder: Path, key: Callable[[str], str] = str) -> Part:
    """A part of all image files below a folder, by name."""
    names = _names(folder)
    if not names:
        raise MissingError(f"images in {folder.name}")
    return picture_files(folder, names, key=key)


def read_folder(files: Path) -> Reading:
    """A folder of images, perhaps with splits. Labels, and images outside of splits, are left out."""
    files_found = arranged(_names(files))
    names = {split: [file.name for file in files_found if file.split == split] for split in SPLITS}
    if not names["train"]:
        raise MissingError("images")
    parts = {split: picture_files(files, of_split) for split, of_split in names.items() if of_split}
    return Reading(parts, [files], named=True)


def _names(folder: Path) -> list[str]:
    found = listing(folder)
    found.report()
    return found.files
