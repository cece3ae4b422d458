"""Shards of images as the original's scripts wrote them (openai/glow, data_loaders/generate_tfr).

A folder has sub-folders `train` and `validation` with files such as `train-r05-s-0000-of-2000.tfrecords`, where r05
stands for images of 2^5 pixels a side. A record has `shape` and `data`, and perhaps `label` and `attr`. Files of Karras
et al. 2018 (one for each resolution, channels first), from which the original made its CelebA-HQ, are read too.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowflow.data.cache import Source
from glowflow.data.dataset import Split
from glowflow.data.image_file import check_channels
from glowflow.data.keys import digest, prefix, states
from glowflow.data.published.celeba import ATTRIBUTE_NAMES
from glowflow.data.published.direct import source_of
from glowflow.data.published.fitting import piece_or_all
from glowflow.data.published.reading import Images, Item, Part, Reading, record
from glowflow.data.published.record_file import Feature, contents, features, offsets
from glowflow.data.published.writer import Form
from glowflow.errors import InputError
from glowflow.shapes import Shape

FOLDERS: Mapping[str, Split] = {"train": "train", "validation": "test"}
"""The validation images are the test split, because the original's figures are for them."""
NAME = re.compile(r".*?(-r(?P<level>\d\d))?(-s-\d+-of-(?P<shards>\d+))?\.tfrecords")


def has_shards(folder: Path) -> bool:
    """True if a folder holds such files."""
    try:
        return any(_shards(place) for place in (folder, folder / "train"))
    except PermissionError:
        return False


def _shards(folder: Path) -> list[Path]:
    """The regular files of a folder, sorted by name."""
    return sorted(path for path in folder.glob("*.tfrecords") if path.is_file())


def source(folder: Path, image_shape: Shape) -> Source:
    """The images in the shards of `folder` that have the resolution of `image_shape`."""
    check_channels(image_shape)
    folder = folder.resolve()
    shards, form = _find(folder, image_shape), Form(image_shape, piece_or_all)
    where = prefix("tfrecords", os.fspath(folder), image_shape)
    version = digest(*states(path for paths in shards.values() for path in paths))
    return source_of(folder.name, where, version, partial(_read, shards, form), form)


def _find(folder: Path, image_shape: Shape) -> dict[Split, list[Path]]:
    """The shards of each split. Shards directly in the folder are training images."""
    by_split: dict[Split, list[Path]] = {split: _shards(folder / name) for name, split in FOLDERS.items()}
    every: dict[Split, list[Path]] = by_split if by_split["train"] else {"train": _shards(folder)}
    level = min(image_shape[1:]).bit_length() - 1  # like the original, which looks for 96x96 pixels under r06
    chosen = {split: [path for path in paths if _level(path) in {None, level}] for split, paths in every.items()}
    if not chosen["train"]:
        there = sorted({2 ** (_level(path) or 0) for path in every["train"]})
        raise InputError(
            f"{folder} has no training images of {image_shape[1]}x{image_shape[2]} pixels: --image-shape may have "
            f"{', '.join(f'{side}x{side}' for side in there)}."
        )
    return {split: paths for split, paths in chosen.items() if paths}


def _level(path: Path) -> int | None:
    """The r05 of a file's name, as a number."""
    match = NAME.fullmatch(path.name)
    return int(match["level"]) if match and match["level"] else None


def _read(shards: Mapping[Split, Sequence[Path]], form: Form) -> Reading:
    parts = {split: _part(paths) for split, paths in shards.items()}
    first = next(parts["train"].items(0), None)
    if first is None or not isinstance(first.picture, np.ndarray):
        raise InputError(f"{shards['train'][0]} has no images: get it again.")
    is_larger = first.picture.shape[:2] != form.image_shape[1:]
    remarks = [_lacking(paths, split) for split, paths in shards.items()] + ["random crops" if is_larger else ""]
    count = len(first.attributes)
    names = ATTRIBUTE_NAMES if count == len(ATTRIBUTE_NAMES) else tuple(map(str, range(count)))
    return Reading(parts, [], (), names, remark=", ".join(filter(None, remarks)))


def _lacking(paths: Sequence[Path], split: Split) -> str:
    """A remark on a split of which shards are missing; empty if none is."""
    match = NAME.fullmatch(paths[0].name)
    promised = int(match["shards"]) if match and match["shards"] else len(paths)
    return f"{len(paths)} of {promised} {split} shards" if len(paths) != promised else ""


def _part(paths: Sequence[Path]) -> Part:
    """The records of several files. A record's key is the name of its file and its number in it."""
    starts = [offsets(path) for path in paths]

    def keys() -> Iterator[str]:
        for path, of_file in zip(paths, starts, strict=True):
            yield from (f"{path.name}:{number}" for number in range(len(of_file)))

    return Part(sum(map(len, starts)), keys, partial(_items, paths, starts))


def _items(paths: Sequence[Path], starts: Sequence[NDArray[np.int64]], start: int) -> Iterator[Item]:
    for path, of_file in zip(paths, starts, strict=True):
        if start < len(of_file):
            for number, content in enumerate(contents(path, start, int(of_file[start])), start):
                yield _item(content, path, number)
        start = max(start - len(of_file), 0)


def _item(content: bytes, path: Path, number: int) -> Item:
    where = record(path, number)
    found = features(content, where)
    label, attributes = found.get("label") or [0], found.get("attr") or []
    if isinstance(label, bytes) or isinstance(attributes, bytes):
        raise InputError(f"{where}, can't be read: label and attr should be numbers.")
    return Item(f"{path.name}:{number}", where, _picture(found, where), label[0], np.array(attributes) > 0)


def _picture(found: Mapping[str, Feature], where: str) -> Images:
    shape, data = found.get("shape"), found.get("data")
    if not isinstance(shape, list) or not isinstance(data, bytes) or len(shape) != 3:
        raise InputError(f"{where}, can't be read: it should have the features shape (3 numbers) and data.")
    if min(shape) < 1 or len(data) != prod(shape) or not {shape[0], shape[2]} & {1, 3}:
        raise InputError(f"{where}, can't be read: {len(data)} bytes of data make no image of shape {shape}.")
    pixels = np.frombuffer(data, np.uint8).reshape(shape)
    return pixels if shape[2] in {1, 3} else pixels.transpose(1, 2, 0)
