"""Several data sets as one, in equal shares. Its name has plus signs between theirs: photos+faces."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glowflow.data.cache import ROWS, Builder, Names, Source
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.identity import digest_of
from glowflow.data.keys import digest, prefix
from glowflow.data.value_range import KINDS, Range
from glowflow.errors import InputError
from glowflow.paths import expanded
from glowflow.progress import say
from glowflow.shapes import Shape

PLUS = "+"

Splits = Mapping[Split, Dataset]
Rows = NDArray[np.int64]


def names_in(source: str) -> list[str]:
    """The data sets that a name joins. A file or a folder may have a plus sign in its own name.

    >>> names_in("photos+faces"), names_in("faces")
    (['photos', 'faces'], ['faces'])
    """
    names = source.split(PLUS)
    is_joined = len(names) > 1 and all(names) and not Path(expanded(source)).exists()
    return names if is_joined else [source]


def source(place: str, parts: Sequence[Splits], image_shape: Shape) -> Source:
    """The prepared data sets `parts` as one. `place` is its name, with absolute paths of files and folders."""
    title = PLUS.join(part["train"].name for part in parts)
    ranges = _ranges(title, parts)
    where = prefix("joined", place, image_shape, ranges)
    key = where + digest(*map(_content, parts))
    return Source(title, key, lambda builder: _build(builder, parts, ranges), replaces=where)


def _content(part: Splits) -> str:
    """A text that differs for different images, labels or attributes."""
    train = part["train"]
    return f"{train.digest or digest_of(part)} {train.attribute_names}"


def _ranges(title: str, parts: Sequence[Splits]) -> dict[str, Range]:
    """The value ranges of all parts, which agree."""
    ranges: dict[str, Range] = {}
    for kind, limits in (item for part in parts for item in part["train"].value_ranges.items()):
        if ranges.setdefault(kind, limits) != limits:
            raise InputError(
                f"The data sets of {title} have different ranges of {KINDS[kind]}, {ranges[kind]} and {limits}: give "
                "one range for all of them by --value-range LOW,HIGH."
            )
    return ranges


def _build(builder: Builder, parts: Sequence[Splits], ranges: Mapping[str, Range]) -> Names:
    names = Names(_shared(parts, "class_names"), _shared(parts, "attribute_names"), value_ranges=ranges)
    is_grouped = any(part["train"].groups is not None for part in parts)
    for split in SPLITS:
        datasets = [part[split] for part in parts]
        rows = _equal_shares(datasets)
        _write_images(builder, split, datasets, rows)
        columns: dict[str, list[Any]] = {"sources": list(map(_sources, datasets))}
        columns |= {"labels": [dataset.labels for dataset in datasets]} if names.classes else {}
        columns |= {"attributes": [dataset.attributes for dataset in datasets]} if names.attributes else {}
        columns |= {"groups": [_groups(each, n, len(parts)) for n, each in enumerate(datasets)]} if is_grouped else {}
        builder.save(split, **{name: _in_turns(column, rows) for name, column in columns.items()})
    return names


def _shared(parts: Sequence[Splits], names: str) -> tuple[str, ...]:
    """The names of classes or attributes, if all parts have the same."""
    first, *others = (getattr(part["train"], names) for part in parts)
    return first if all(other == first for other in others) else ()


def _equal_shares(datasets: Sequence[Dataset]) -> list[Rows]:
    """As many rows of each data set as the smallest has."""
    smallest = min(datasets, key=len)
    for dataset in datasets:
        if len(dataset) > len(smallest):
            say(
                f"{dataset.name} gives {len(smallest):,} of its {len(dataset):,} images to the {dataset.split} split, "
                f"as many as {smallest.name} has."
            )
    return [dataset.some(len(smallest)) for dataset in datasets]


def _write_images(builder: Builder, split: Split, datasets: Sequence[Dataset], rows: Sequence[Rows]) -> None:
    """Write the images, some at a time."""
    count = len(rows[0])
    images = builder.create(split, "images", (len(datasets) * count, *datasets[0].images.shape[1:]), np.uint8)
    for start in range(0, count, ROWS):
        some = [mine[start : start + ROWS] for mine in rows]
        taken = _in_turns([dataset.images for dataset in datasets], some)
        images[len(datasets) * start :][: len(taken)] = taken


def _in_turns(columns: Sequence[NDArray[Any]], rows: Sequence[Rows]) -> NDArray[Any]:
    """Some rows of columns (N, ...). The columns take turns, so that the first few rows show all data sets."""
    taken = np.stack([np.asarray(column)[mine] for column, mine in zip(columns, rows, strict=True)], axis=1)
    return taken.reshape(-1, *taken.shape[2:])


def _groups(dataset: Dataset, number: int, count: int) -> Rows:
    """The groups of one of `count` data sets, by numbers that the others don't have.

    If a data set has no groups, each image is one by itself, unlike those of the other splits.
    """
    alone = SPLITS.index(dataset.split) + len(SPLITS) * np.arange(len(dataset))
    return number + count * (alone if dataset.groups is None else np.asarray(dataset.groups))


def _sources(dataset: Dataset) -> NDArray[np.bytes_]:
    """The name of each image, which begins with that of its data set."""
    return np.array([os.fsencode(f"{dataset.name}/{dataset.describe(row)}") for row in range(len(dataset))], np.bytes_)
