"""All splits of a data set as one."""

import re
from collections.abc import Sequence
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import COLUMNS, Dataset

ROWS = 1024
"""The number of images that are copied at a time."""


def whole(parts: Sequence[Dataset]) -> Dataset:
    """The images of all parts of a data set, in the order of their names, as the split "all".

    >>> parts = [Dataset("mine", split, np.zeros((3, 8, 8, 1), np.uint8)) for split in ("train", "test")]
    >>> whole(parts)
    Dataset(mine, all: 6 images 1x8x8)

    The images are in a temporary file, because they may be too many for the memory.
    """
    names = [part.describe(row) for part in parts for row in range(len(part))]
    order = np.array(sorted(range(len(names)), key=lambda row: _natural(names[row])))
    places = np.split(np.argsort(order), np.cumsum([len(part) for part in parts])[:-1])
    with TemporaryFile() as file:  # the array keeps it open
        images = np.memmap(file, np.uint8, "w+", shape=(len(names), *parts[0].images.shape[1:]))
    for part, rows in zip(parts, places, strict=True):
        for start in range(0, len(part), ROWS):
            images[rows[start : start + ROWS]] = part.images[start : start + ROWS]
    columns = {name: _column(parts, name, order) for name in COLUMNS}
    return replace(parts[0], split="all", images=images, **columns)


def _column(parts: Sequence[Dataset], name: str, order: NDArray[np.int64]) -> Any:  # noqa: ANN401 (of any type)
    """What all parts know of each image, in an order; None if one of them doesn't know it."""
    each = [getattr(part, name) for part in parts]
    return None if any(column is None for column in each) else np.concatenate(each)[order]


def _natural(name: str) -> list[str | int]:
    """A key that sorts 9.png before 10.png."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
