"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): the version for Python and the binary one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from glowflow.data.dataset import Split
from glowflow.data.published import batch_pickle
from glowflow.data.published.reading import (
    Images,
    Labels,
    MissingError,
    Part,
    Reading,
    batches,
    found,
    record,
    refused,
)
from glowflow.errors import InputError

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Version:
    """The layout of one version of a data set.

    Attributes:
        folder: the folder that its archive unpacks to.
        train: the files of training images.
        test: the file of test images.
        names: the file with the classes' names.
        keys: in a pickle, the keys of the labels and of the classes' names; empty for the binary version.
        label_bytes: the number of labels of each image in the binary version. The last is the class.
    """

    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    keys: tuple[str, str] = ("", "")
    label_bytes: int = 1


PYTHON_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
BINARY_BATCHES = tuple(f"{name}.bin" for name in PYTHON_BATCHES)
VERSIONS: Mapping[str, tuple[Version, Version]] = {
    "cifar10": (
        Version("cifar-10-batches-py", PYTHON_BATCHES, "test_batch", "batches.meta", ("labels", "label_names")),
        Version("cifar-10-batches-bin", BINARY_BATCHES, "test_batch.bin", "batches.meta.txt"),
    ),
    "cifar100": (
        Version("cifar-100-python", ("train",), "test", "meta", ("fine_labels", "fine_label_names")),
        Version("cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", label_bytes=2),
    ),
}
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
"""Published digests, which the binary versions don't have."""


def read(name: str, files: Path) -> Reading:
    """The data set in `files`, the unpacked folder or the folder that holds it."""
    for version in VERSIONS[name]:
        for folder in (files / version.folder, files):
            if (folder / version.names).exists():
                return _read(version, folder)
    raise MissingError(" or ".join(version.folder for version in VERSIONS[name]))


def _read(version: Version, folder: Path) -> Reading:
    train = [folder / file for file in version.train if (folder / file).exists()]
    train = train or [found(folder, *version.train)]
    test = [found(folder, version.test)]
    load = partial(_load, version)
    parts: dict[Split, Part] = {"train": batches(train, load), "test": batches(test, load)}
    md5 = {path: MD5[path.name] for path in (*train, *test) if path.name in MD5}
    return Reading(parts, [*train, *test], _class_names(version.keys[1], folder / version.names), md5=md5)


def _class_names(key: str, path: Path) -> tuple[str, ...]:
    if not key:
        with refused(path):
            return tuple(path.read_text(encoding="utf-8").split())
    names = batch_pickle.load(path).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path} can't be read: it should have the classes' names under {key}.")
    return tuple(names)


def _load(version: Version, path: Path) -> tuple[Images, Labels]:
    rows, labels = _pickled(path, version.keys[0]) if version.keys[0] else _binary(path, version.label_bytes)
    return rows.reshape(-1, *SHAPE).transpose(0, 2, 3, 1), labels


def _pickled(path: Path, key: str) -> tuple[Images, Labels]:
    batch = batch_pickle.load(path)
    rows, labels = batch.get("data"), batch.get(key)
    if not isinstance(rows, np.ndarray) or rows.shape[1:] != (PIXELS,) or not isinstance(labels, list):
        raise InputError(f"{path} can't be read: it should have data, rows of {PIXELS} bytes, and {key}.")
    with refused(path):
        return rows, np.array([int(label) for label in labels], np.int64)


def _binary(path: Path, label_bytes: int) -> tuple[Images, Labels]:
    with refused(path):
        content = np.fromfile(path, np.uint8)
    length = label_bytes + PIXELS
    if len(content) % length:
        raise InputError(f"{record(path, len(content) // length)}, is cut off: get the file again.")
    table = content.reshape(-1, length)
    return table[:, label_bytes:], table[:, label_bytes - 1].astype(np.int64)
