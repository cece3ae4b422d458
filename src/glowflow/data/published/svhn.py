"""SVHN, house numbers cropped to 32x32 (Netzer et al. 2011): MATLAB files, read by SciPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from glowflow.data.dataset import Split
from glowflow.data.published.optional import imported
from glowflow.data.published.reading import Batches, Images, Labels, MissingError, Part, Reading, refused
from glowflow.errors import InputError

FILES: Mapping[Split, str] = {"train": "train_32x32.mat", "test": "test_32x32.mat"}
MD5 = {"train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373", "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3"}


def read(files: Path) -> Reading:
    """The training and test images in `files`; the additional, easier ones (extra_32x32.mat) are left out.

    Raises:
        MissingError: a file isn't there.
        InputError: a file is broken, or SciPy isn't installed.
    """
    paths = {split: files / name for split, name in FILES.items()}
    for path in paths.values():
        if not path.exists():
            raise MissingError(path.name)
    parts: dict[Split, Part] = {split: Batches.of([path], _load) for split, path in paths.items()}
    digits = tuple("0123456789")
    return Reading(parts, list(paths.values()), digits, md5={path: MD5[path.name] for path in paths.values()})


def _load(path: Path) -> tuple[Images, Labels]:
    scipy_io = imported("scipy.io", "SVHN", "published")
    with refused(path):
        content = scipy_io.loadmat(path)
    images, labels = content.get("X"), content.get("y")
    if images is None or labels is None or images.dtype != np.uint8 or images.shape[:3] != (32, 32, 3):
        raise InputError(f"{path} can't be read: it should have X, uint8 (32, 32, 3, N), and y.")
    numbers = labels.reshape(-1).astype(np.int64)
    if images.shape[3:] != numbers.shape:
        raise InputError(f"{path} has images of shape {images.shape} and {len(numbers)} labels: get it again.")
    return images.transpose(3, 0, 1, 2), np.where(numbers == 10, 0, numbers)  # 10 stands for the digit 0
