"""Data sets of the Hugging Face hub, hf:OWNER/NAME, and folders that its library has written."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from glowflow.data.cache import Source
from glowflow.data.image_file import check_channels
from glowflow.data.keys import digest, prefix, states
from glowflow.data.published.direct import source_of
from glowflow.data.published.fitting import centre
from glowflow.data.published.reading import Item, Part, Reading, refused
from glowflow.data.published.writer import Form
from glowflow.data.splits import splits_among
from glowflow.data.value_range import UNKNOWN, WHOLE_RANGES, Range
from glowflow.errors import InputError, listed, one_line
from glowflow.packages import imported
from glowflow.shapes import Shape

PREFIX = "hf:"
LABELS = ("label", "labels", "fine_label")
"""Names of columns of labels. If there are several, the first in this order is taken."""


def source(name: str, image_shape: Shape, value_ranges: Mapping[str, Range] = UNKNOWN) -> Source:
    """The data set hf:NAME, cropped and reduced to `image_shape`. It's fetched once, when it's prepared.

    Values of more than 8 bits are read by the given ranges, or by the whole range of their type.
    """
    check_channels(image_shape)
    form = Form(image_shape, centre, value_ranges={**WHOLE_RANGES, **value_ranges})
    folder = Path(name.removeprefix(PREFIX))
    place, files = (os.path.realpath(folder), sorted(folder.rglob("*"))) if folder.is_dir() else (name, [])
    where = prefix("hf", place, image_shape, value_ranges)
    return source_of(name, where, digest(*states(files)), partial(_read, name), form)


def _read(name: str) -> Reading:
    library = imported("datasets", name, "huggingface")
    try:
        folder = name.removeprefix(PREFIX)
        is_saved = (Path(folder) / "dataset_dict.json").exists()  # by the library itself
        found = library.load_from_disk(folder) if is_saved else library.load_dataset(folder)
    except Exception as error:  # the network, the hub and its library raise many things
        raise InputError(f"{name} can't be fetched from the hub ({one_line(error)}): check it.") from error
    names = splits_among(found, name)
    if "train" not in names:
        raise InputError(f"{name} has the splits {', '.join(found)}: it should have train.")
    features = found[names["train"]].features
    image, label = _columns(library, features, name)
    classes = tuple(features[label].names) if label else None
    parts = {
        split: _part(found[there], image, label, classes, f"{name}, {split} split") for split, there in names.items()
    }
    return Reading(parts, [], classes)


def _part(table: Any, image: str, label: str, classes: tuple[str, ...] | None, where: str) -> Part:  # noqa: ANN401
    """A split. Its images are decoded when they are read, and their keys are the rows' numbers."""
    numbers = _numbers(table.features[label].names, classes, where) if classes else ()
    encoded = table.cast_column(image, type(table.features[image])(decode=False))
    rows = encoded.select_columns([image, *([label] if label else [])])

    def items(start: int) -> Iterator[Item]:
        with refused(where):
            for row, values in enumerate(rows.select(range(start, len(rows))), start):
                kind = values[label] if label else None
                content = values[image]["bytes"] or Path(values[image]["path"])
                yield Item(str(row), f"{where}, row {row}", content, None if kind in {None, -1} else numbers[kind])

    return Part(len(table), lambda: map(str, range(len(table))), items)


def _numbers(names: Sequence[str], classes: Sequence[str], where: str) -> tuple[int, ...]:
    """The number in the training split of each class of another split, whose order may differ."""
    for name in names:
        if name not in classes:
            raise InputError(
                f"{where}, has the class {name}, which the train split doesn't have: it has {listed(classes)}."
            )
    return tuple(classes.index(name) for name in names)


def _columns(library: Any, columns: Mapping[str, Any], name: str) -> tuple[str, str]:  # noqa: ANN401
    """The names of the column of images, and of the column of labels if there is one."""
    images = [column for column, kind in columns.items() if isinstance(kind, library.Image)]
    labels = [column for column, kind in columns.items() if isinstance(kind, library.ClassLabel)]
    if not images:
        raise InputError(f"{name} has no column of images: its columns are {', '.join(columns)}.")
    return images[0], min(labels, key=lambda label: (label not in LABELS, label), default="")
