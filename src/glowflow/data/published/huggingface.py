"""Data sets of the Hugging Face hub by name, hf:OWNER/NAME, and those that its library has written to a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glowflow.config import Shape
from glowflow.data.cache import Source, digest, keyed
from glowflow.data.dataset import Split
from glowflow.data.image_file import UNKNOWN, check_channels
from glowflow.data.published.few import glimpse
from glowflow.data.published.fitting import centre
from glowflow.data.published.optional import imported
from glowflow.data.published.reading import Item, Part, Reading, refused
from glowflow.data.published.writer import Form, build
from glowflow.data.splits import splits_among
from glowflow.data.value_range import WHOLE_RANGES, Range
from glowflow.errors import InputError, listed

PREFIX = "hf:"
LABELS = ("label", "labels", "fine_label")
"""Columns of labels, the likeliest first, where there are several."""


def source(name: str, image_shape: Shape, value_ranges: Mapping[str, Range] = UNKNOWN) -> Source:
    """The data set hf:NAME, cropped and reduced to `image_shape`; fetched when it's prepared, and not again.

    Values of more than 8 bits are read by the ranges given, or by all that their type can hold.

    Raises:
        InputError: image files can't have that shape.
    """
    check_channels(image_shape)
    folder, shape = Path(name.removeprefix(PREFIX)), keyed(value_ranges) + "x".join(map(str, image_shape))
    form = Form(image_shape, centre, value_ranges={**WHOLE_RANGES, **value_ranges})
    where = f"hf-{digest(os.path.realpath(folder) if folder.is_dir() else name)}-{shape}-"
    statuses = [(path.name, path.stat()) for path in sorted(folder.rglob("*"))] if folder.is_dir() else []
    key = where + digest(*(f"{file} {status.st_size} {status.st_mtime_ns}" for file, status in statuses))
    return Source(
        name,
        key,
        lambda builder: build(builder, _read(name), form, name),
        replaces=where,
        glimpse=lambda split, num: glimpse(_read(name), form, name, split, num),
    )


def _read(name: str) -> Reading:
    library = imported("datasets", name, "huggingface")
    try:
        found = _loaded(library, name.removeprefix(PREFIX))
    except Exception as error:  # whatever the network, the hub and its library may raise
        raise InputError(f"{name} can't be had from the hub ({' '.join(str(error).split())}): check it.") from error
    names = splits_among(found, name)
    if "train" not in names:
        raise InputError(f"{name} has the splits {', '.join(found)}: it should have train.")
    tables = {split: found[there] for split, there in names.items()}
    image, label = _columns(library, tables["train"].features, name)
    classes = tuple(tables["train"].features[label].names) if label else None
    parts: dict[Split, Part] = {
        split: _Table(
            table.select_columns([image, *([label] if label else [])]).cast_column(image, library.Image(decode=False)),
            image,
            label,
            _numbers(table.features[label].names, classes, f"{name}, {split} split") if classes else (),
            f"{name}, {split} split",
        )
        for split, table in tables.items()
    }
    return Reading(parts, [], classes)


def _numbers(names: Sequence[str], classes: Sequence[str], where: str) -> tuple[int, ...]:
    """For each class of a split its number among those of the training split, which may have another order."""
    for name in names:
        if name not in classes:
            raise InputError(
                f"{where}, has the class {name}, which the train split doesn't have: it has {listed(classes)}."
            )
    return tuple(classes.index(name) for name in names)


def _loaded(library: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401
    """The splits by name, from a folder that the library wrote, or from the hub."""
    is_saved = (Path(name) / "dataset_dict.json").exists()
    return library.load_from_disk(name) if is_saved else library.load_dataset(name)


def _columns(library: Any, columns: Mapping[str, Any], name: str) -> tuple[str, str]:  # noqa: ANN401
    """The column of images, and that of labels if there is one."""
    images = [column for column, kind in columns.items() if isinstance(kind, library.Image)]
    labels = [column for column, kind in columns.items() if isinstance(kind, library.ClassLabel)]
    if not images:
        raise InputError(f"{name} has no column of images: its columns are {', '.join(columns)}.")
    return images[0], min(labels, key=lambda label: (label not in LABELS, label), default="")


@dataclass(frozen=True)
class _Table:
    """A split whose images are still encoded; the keys are the rows' numbers, and its labels count `numbers`."""

    table: Any
    image: str
    label: str
    numbers: Sequence[int]
    where: str

    def __len__(self) -> int:
        return len(self.table)

    def each_key(self) -> Iterator[str]:
        return map(str, range(len(self)))

    def items(self, start: int) -> Iterator[Item]:
        with refused(self.where):
            for row, values in enumerate(self.table.select(range(start, len(self))), start):
                picture = values[self.image]
                label = values[self.label] if self.label else None
                content = picture["bytes"] or Path(picture["path"])
                number = None if label in {None, -1} else self.numbers[label]
                yield Item(str(row), f"{self.where}, row {row}", content, number)
