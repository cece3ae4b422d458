"""A glimpse of a reading: a few of its images brought to their shape, of which nothing is kept on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from glowflow.data.cache import Builder
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.glimpse import Glimpse, spread
from glowflow.data.published.reading import Item, Part, Reading
from glowflow.data.published.writer import Form, build, divided
from glowflow.data.splits import Rows


def glimpse(reading: Reading, form: Form, name: str, split: Split, num: int) -> Glimpse:
    """At most `num` images of a split. Labels and attributes of the others aren't known before they're read.

    Raises:
        InputError: one of the images is broken, too small, or labelled with a class that there isn't.
    """
    rows = {to: taken for published in reading.parts for to, taken in divided(reading, published).items()}
    origin = reading.parts[split if split in reading.parts else "train"]
    chosen = {other: rows[other][spread(len(rows[other]), num if other == split else 0)] for other in SPLITS}
    parts: dict[Split, Part] = {other: _Few(origin, chosen[other]) for other in SPLITS}
    shown = _built(replace(reading, parts=parts), form, name, split)
    return Glimpse(shown, {other: len(rows[other]) for other in SPLITS}, shown.labels, shown.attributes)


def _built(reading: Reading, form: Form, name: str, split: Split) -> Dataset:
    """A split, in memory."""
    with TemporaryDirectory() as directory:
        builder = Builder(Path(directory))
        names = build(builder, reading, form, name)
        facts: dict[str, Any] = {column: np.array(values) for column, values in builder.columns[split].items()}
        builder.columns.clear()
    facts |= {"value_ranges": names.value_ranges}
    return Dataset(names.title, split, class_names=names.classes, attribute_names=names.attributes, **facts)


@dataclass(frozen=True)
class _Few:
    """Some rows of a part."""

    part: Part
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def each_key(self) -> Iterator[str]:
        keys = list(self.part.each_key())
        return (keys[row] for row in self.rows)

    def items(self, start: int) -> Iterator[Item]:
        return (next(self.part.items(int(row))) for row in self.rows[start:])
