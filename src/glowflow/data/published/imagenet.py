"""ImageNet at 32x32 and 64x64, in two versions made with different filters.

The folders of PNG files are from van den Oord et al. 2016 (PixelRNN); the literature compares density models on them.
The .npz batches are from Chrabaszcz et al. 2017, reduced with a box filter, and have labels.
"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from glowflow.data.dataset import Split
from glowflow.data.published.picture_files import every_picture
from glowflow.data.published.reading import Images, Labels, Part, Reading, found, in_files, refused
from glowflow.errors import InputError

NUM_CLASSES = 1000
ROWS = 1024
"""The number of images that are read at a time."""


def read_png(size: int, files: Path) -> Reading:
    """The folders train_SxS and valid_SxS in `files`; the validation images are the test split of the literature."""
    names: dict[Split, str] = {"train": "train", "test": "valid"}
    folders = {split: found(files, f"{name}_{size}x{size}") for split, name in names.items()}
    parts = {split: every_picture(folder) for split, folder in folders.items()}
    return Reading(parts, list(folders.values()), named=True)


def read_npz(size: int, files: Path) -> Reading:
    """The files train_data_batch_1.npz to 10 and val_data.npz, the latter as the test split."""
    names = [f"train_data_batch_{number}.npz" for number in range(1, 11)]
    train = [files / name for name in names if (files / name).exists()] or [found(files, names[0])]
    test = found(files, "val_data.npz")
    parts: dict[Split, Part] = {"train": _batches(train, size), "test": _batches([test], size)}
    return Reading(parts, [*train, test], class_names=tuple(str(label) for label in range(1, NUM_CLASSES + 1)))


def _batches(paths: Sequence[Path], size: int) -> Part:
    return in_files(paths, [_count(path, size) for path in paths], partial(_rows, size))


def _rows(size: int, path: Path, start: int) -> Iterator[tuple[Images, int]]:
    """The images of a file (N, 3 S S) from number `start` on, with their labels. Few are in memory at a time."""
    labels, length = _labels(path), 3 * size * size
    with refused(path), _data(path) as (file, _):
        file.seek(start * length, 1)
        for first in range(start, len(labels), ROWS):
            num_rows = min(ROWS, len(labels) - first)
            with refused(f"{path}, from record {first} (counting from 0) on,"):
                content = np.frombuffer(file.read(num_rows * length), np.uint8)
                images = content.reshape(num_rows, 3, size, size).transpose(0, 2, 3, 1)
            for row, image in enumerate(images, first):
                yield image, int(labels[row])


@contextmanager
def _data(path: Path) -> Iterator[tuple[IO[bytes], tuple[int, ...]]]:
    """The array `data` of a file, open at its first number, and its shape."""
    with zipfile.ZipFile(path) as archive, archive.open("data.npy") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(file)
        if dtype != np.uint8 or is_fortran:
            raise ValueError(f"data is {dtype}, and not uint8 in C order")
        yield file, shape


def _count(path: Path, size: int) -> int:
    with refused(path), _data(path) as (_, shape):
        pass
    if len(shape) != 2 or shape[1] != 3 * size * size:
        raise InputError(f"{path} has data of shape {shape}: images of {size}x{size} need (N, {3 * size * size}).")
    if len(labels := _labels(path)) != shape[0]:
        raise InputError(f"{path} has {shape[0]} images and {len(labels)} labels: get it again.")
    return shape[0]


def _labels(path: Path) -> Labels:
    with refused(path), np.load(path, allow_pickle=False) as content:
        return np.asarray(content["labels"]).reshape(-1).astype(np.int64) - 1  # labels count from 1
