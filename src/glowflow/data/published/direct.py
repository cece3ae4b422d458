"""Data sets that are read in place, into the cache or for a glimpse that stores nothing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from glowflow.data.cache import Builder, Source
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.glimpse import Glimpse, spread
from glowflow.data.published.reading import Item, Part, Reading
from glowflow.data.published.writer import Form, build, divided
from glowflow.data.splits import Rows


def source_of(name: str, where: str, version: str, read: Callable[[], Reading], form: Form) -> Source:
    """The source of a data set. Its key is `where` and its version; it replaces older versions."""
    return Source(
        name,
        where + version,
        lambda builder: build(builder, read(), form, name),
        replaces=where,
        glimpse=lambda split, num: _glimpse(read(), form, name, split, num),
    )


def _glimpse(reading: Reading, form: Form, name: str, split: Split, num: int) -> Glimpse:
    """At most `num` images of a split. Labels and attributes of the others aren't known before they're read."""
    rows = {to: taken for published in reading.parts for to, taken in divided(reading, published).items()}
    origin = reading.parts[split if split in reading.parts else "train"]
    chosen = {other: rows[other][spread(len(rows[other]), num if other == split else 0)] for other in SPLITS}
    parts = {other: _few(origin, chosen[other]) for other in SPLITS}
    shown = _built(replace(reading, parts=parts), form, name, split)
    return Glimpse(shown, {other: len(rows[other]) for other in SPLITS}, shown.labels, shown.attributes)


def _few(part: Part, rows: Rows) -> Part:
    """Some rows of a part."""

    def keys() -> Iterator[str]:
        every = list(part.each_key())
        return (every[row] for row in rows)

    def items(start: int) -> Iterator[Item]:
        return (next(part.items(int(row))) for row in rows[start:])

    return Part(len(rows), keys, items)


def _built(reading: Reading, form: Form, name: str, split: Split) -> Dataset:
    """A split, in memory."""
    with TemporaryDirectory() as directory:
        builder = Builder(Path(directory))
        names = build(builder, reading, form, name)
        facts: dict[str, Any] = {column: np.array(values) for column, values in builder.columns[split].items()}
        builder.columns.clear()
    facts |= {"value_ranges": names.value_ranges}
    return Dataset(names.title, split, class_names=names.classes, attribute_names=names.attributes, **facts)
