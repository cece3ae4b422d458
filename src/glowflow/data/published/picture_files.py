"""Image files in a folder, as a part of a published data set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import SPLITS, Split
from glowflow.data.folder import arranged
from glowflow.data.listing import listing
from glowflow.data.published.reading import Item, MissingError, Part, Reading


@dataclass(frozen=True)
class PictureFiles:
    """Image files, by their paths within a folder.

    Attributes:
        folder: what the names are relative to.
        names: the files; a file's key is its name, or without folders and ending if `bare_keys`.
        attributes: bool (N, A), or None.
        bare_keys: whether a file's key is its name's stem.
    """

    folder: Path
    names: Sequence[str]
    attributes: NDArray[np.bool_] | None = None
    bare_keys: bool = False

    def __len__(self) -> int:
        """How many files there are."""
        return len(self.names)

    def each_key(self) -> Iterator[str]:
        """Each file's key."""
        return map(self._key, self.names)

    def items(self, start: int) -> Iterator[Item]:
        """The files from number `start` on."""
        for row in range(start, len(self.names)):
            path = os.path.join(self.folder, self.names[row])
            attributes = () if self.attributes is None else self.attributes[row]
            yield Item(self._key(self.names[row]), path, Path(path), attributes=attributes)

    def _key(self, name: str) -> str:
        return Path(name).stem if self.bare_keys else name


def picture_files(folder: Path, *, bare_keys: bool = False) -> PictureFiles:
    """Every image file below a folder, by name.

    Raises:
        MissingError: there is none.
    """
    names = _names(folder)
    if not names:
        raise MissingError(f"images in {folder.name}")
    return PictureFiles(folder, names, bare_keys=bare_keys)


def read_folder(files: Path) -> Reading:
    """A folder of images, perhaps laid out in splits; what lies beside the splits, and labels, are passed over."""
    found = arranged(_names(files))
    parts: dict[Split, Part] = {
        split: PictureFiles(files, names)
        for split in SPLITS
        if (names := [file.name for file in found if file.split == split])
    }
    if "train" not in parts:
        raise MissingError("images")
    return Reading(parts, [files], named=True)


def _names(folder: Path) -> list[str]:
    found = listing(folder)
    found.report()
    return found.files
