"""MNIST (LeCun et al. 1998) and data sets of its format, idx: a header of big-endian numbers, then the bytes."""

import gzip
import struct
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import Split
from glowflow.data.published.reading import Images, Labels, Reading, batches, found, record, refused
from glowflow.errors import InputError

FILES: Mapping[Split, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
UNSIGNED_BYTE = 8
"""The code of the only type that is read."""

MD5: Mapping[str, tuple[str, ...]] = {
    "MNIST": (
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    "FashionMNIST": (
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
}
"""Digests of the files in the order of FILES, after decompression."""


def read(folder: str, class_names: tuple[str, ...], files: Path) -> Reading:
    """The data set in the folder `files`, or in FOLDER/raw below it, as torchvision has it."""
    paths = {split: [_path(files, folder, name) for name in names] for split, names in FILES.items()}
    parts = {split: batches([images], partial(_load, labels)) for split, (images, labels) in paths.items()}
    read_files = [path for pair in paths.values() for path in pair]
    return Reading(parts, read_files, class_names, md5=dict(zip(read_files, MD5[folder], strict=True)))


def _path(files: Path, folder: str, name: str) -> Path:
    variants = (name, f"{name}.gz")
    return found(files, *(f"{place}/{variant}" for variant in variants for place in (f"{folder}/raw", "raw", ".")))


def _load(labels_path: Path, path: Path) -> tuple[Images, Labels]:
    return _array(path, 3), _array(labels_path, 1).astype(np.int64)


def _array(path: Path, num_dimensions: int) -> NDArray[np.uint8]:
    with refused(path):
        content = (gzip.decompress if path.suffix == ".gz" else bytes)(path.read_bytes())
        magic, *shape = struct.unpack_from(f">{1 + num_dimensions}I", content)
    if magic != UNSIGNED_BYTE << 8 | num_dimensions:
        raise InputError(f"{path} isn't an idx file of bytes in {num_dimensions} dimensions: get it again.")
    values = np.frombuffer(content, np.uint8, offset=4 * (1 + num_dimensions))
    length = int(np.prod(shape[1:], dtype=np.int64))
    if len(values) != shape[0] * length:
        cut = record(path, min(len(values) // max(length, 1), shape[0]))
        raise InputError(f"{cut}, is not as the header says, which promises {shape[0]}: get the file again.")
    return values.reshape(shape)
