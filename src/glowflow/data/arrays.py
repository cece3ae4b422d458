"""Images in a NumPy file: one array (.npy), or named arrays with labels or splits (.npz)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from glowflow.data.cache import Builder, Names, Source
from glowflow.data.dataset import Dataset, Split
from glowflow.data.glimpse import Glimpse, spread
from glowflow.data.keys import prefix
from glowflow.data.splits import Rows, complete, split_named, splits_among
from glowflow.errors import InputError
from glowflow.progress import say
from glowflow.shapes import Shape

Arrays = dict[str, NDArray[Any]]
LABELS = "labels"
"""The labels of the array `images`; those of the array `train` are `train_labels`, and so on."""


def source(path: Path, image_shape: Shape) -> Source:
    """The images in the file at `path`, which must have `image_shape`.

    An .npy file is one uint8 array, (N, H, W), (N, H, W, C) or (N, C, H, W). An .npz file has such an array `images`
    and perhaps `labels`; or it has `train`, `validation` and `test` (or other names in `splits.NAMES`) and perhaps
    `train_labels` and so on. Missing splits are held out of the training images.
    """
    path = path.resolve()
    status = path.stat()
    where = prefix("array", str(path), image_shape)
    return Source(
        path.name,
        f"{where}named-{status.st_size:x}-{status.st_mtime_ns:x}",
        lambda builder: _build(builder, path, image_shape),
        replaces=where,
        glimpse=lambda split, num: _glimpse(split, num, path, image_shape),
    )


def _build(builder: Builder, path: Path, image_shape: Shape) -> Names:
    splits, class_names = _splits(path, image_shape)
    for split, part in splits.items():
        builder.gather(split, "images", part.images, part.rows)
        builder.save(split, labels=part.labels, sources=part.rows.astype(np.bytes_))
    return Names(classes=class_names)


def _glimpse(split: Split, num: int, path: Path, image_shape: Shape) -> Glimpse:
    splits, class_names = _splits(path, image_shape)
    part = splits[split]
    images = part.images[part.rows[spread(len(part.rows), num)]]
    shown = Dataset(path.name, split, images, class_names=class_names)
    return Glimpse(shown, {name: len(other.rows) for name, other in splits.items()}, part.labels)


class _Part(NamedTuple):
    """A split: rows of an array of images (M, H, W, C), and the labels of these rows."""

    images: NDArray[np.uint8]
    rows: Rows
    labels: NDArray[np.int64] | None


def _splits(path: Path, image_shape: Shape) -> tuple[dict[Split, _Part], tuple[str, ...]]:
    """All splits of the file, and the names of the classes."""
    arrays, names = _read(path)
    images = {split: _as_images(arrays[name], image_shape, f"{path}, array {name}") for split, name in names.items()}
    labels = _labels(arrays, names, path)
    given = {split: np.arange(len(values)) for split, values in images.items()}
    keys = [str(row) for row in range(len(images["train"]))]
    parts = {}
    for split, rows in complete(given, keys, str(path)).items():
        origin: Split = split if split in images else "train"
        parts[split] = _Part(images[origin], rows, labels[origin][rows] if labels else None)
    most = max((int(values.max()) for values in labels.values()), default=-1)
    return parts, tuple(str(label) for label in range(most + 1))


def _read(path: Path) -> tuple[Arrays, dict[Split, str]]:
    """The arrays of the file by name, and the name of each split's images. The array of an .npy file is `images`."""
    try:
        if path.suffix.lower() == ".npy":
            return {"images": open_memmap(path, mode="r")}, {"train": "images"}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
            names = _images_among(loaded.files, path)
            wanted = {*names.values(), *map(_labels_of, names.values())}
            return {name: loaded[name] for name in loaded.files if name in wanted}, names
    except InputError:
        raise
    except Exception as error:  # a broken file makes NumPy, zipfile and zlib raise many things
        raise InputError(f"{path} can't be read as a NumPy file of plain numbers ({error}): write it again.") from error


def _images_among(found: Sequence[str], path: Path) -> dict[Split, str]:
    """The name of each split's images. A printed line names the arrays that are left out."""
    if "images" in found:
        if splits := [name for name in found if split_named(name)]:
            say(f"Left out of {path}: {', '.join(splits)}, because its array images has all images.")
        return {"train": "images"}
    names = splits_among([name for name in found if not name.endswith(LABELS)], str(path))
    if "train" not in names:
        raise InputError(
            f"{path} has the arrays {', '.join(found) or '(none)'}: it should have images (and perhaps labels), or "
            "train, validation and test (and perhaps train_labels, validation_labels and test_labels)."
        )
    return names


def _labels_of(name: str) -> str:
    """The name of the labels of an array of images."""
    return LABELS if name == "images" else f"{name}_{LABELS}"


def _labels(arrays: Arrays, names: Mapping[Split, str], path: Path) -> dict[Split, NDArray[np.int64]]:
    """The labels of each split, or an empty dict if the file has no labels."""
    if not any(_labels_of(name) in arrays for name in names.values()):
        return {}
    return {split: _as_labels(arrays, name, path) for split, name in names.items()}


def _as_labels(arrays: Arrays, images: str, path: Path) -> NDArray[np.int64]:
    name, count = _labels_of(images), len(arrays[images])
    labels = arrays.get(name)
    if labels is None:
        raise InputError(f"{path} has labels for some of its splits but no array {name}: give all of them or none.")
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or (labels < 0).any():
        raise InputError(
            f"{path}, array {name}, is {labels.dtype} of shape {labels.shape}: labels should be whole numbers from 0 "
            f"up, one for each of the {count} images."
        )
    return labels.astype(np.int64)


def _as_images(array: NDArray[Any], image_shape: Shape, where: str) -> NDArray[np.uint8]:
    """A view of `array` as (N, H, W, C)."""
    channels, height, width = image_shape
    if array.dtype != np.uint8 or not len(array):
        raise InputError(
            f"{where}, is {array.dtype} of shape {array.shape}: give images of type uint8 (0 to 255), at least one."
        )
    if array.shape[1:] == (height, width, channels):
        return array
    if array.shape[1:] == (channels, height, width):
        return array.transpose(0, 2, 3, 1)
    if channels == 1 and array.shape[1:] == (height, width):
        return array[..., None]
    grey = f" or (N, {height}, {width})" if channels == 1 else ""
    raise InputError(
        f"{where}, has shape {array.shape}: it should be (N, {height}, {width}, {channels}) or "
        f"(N, {channels}, {height}, {width}){grey}, or --model.image-shape another."
    )
