"""SVHN, house numbers cropped to 32x32 (Netzer et al. 2011): MATLAB files, read by SciPy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from glowflow.data.dataset import Split
from glowflow.data.published.reading import Images, Labels, Reading, batches, found, refused
from glowflow.errors import InputError
from glowflow.packages import imported

FILES: Mapping[Split, tuple[str, str]] = {
    "train": ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test": ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
}
"""The file of each split, and its MD5 digest."""


def read(files: Path) -> Reading:
    """The training and test images in `files`; the additional, easier ones (extra_32x32.mat) are left out."""
    paths = {split: found(files, name) for split, (name, _) in FILES.items()}
    parts = {split: batches([path], _load) for split, path in paths.items()}
    md5 = {paths[split]: digest for split, (_, digest) in FILES.items()}
    return Reading(parts, list(md5), tuple("0123456789"), md5=md5)


def _load(path: Path) -> tuple[Images, Labels]:
    scipy_io = imported("scipy.io", "SVHN", "published")
    with refused(path):
        content = scipy_io.loadmat(path)
    images, labels = content.get("X"), content.get("y")
    if images is None or labels is None or images.dtype != np.uint8 or images.shape != (32, 32, 3, labels.size):
        raise InputError(f"{path} can't be read: it should have X, uint8 (32, 32, 3, N), and y, (N, 1).")
    numbers = labels.reshape(-1).astype(np.int64)
    return images.transpose(3, 0, 1, 2), np.where(numbers == 10, 0, numbers)  # 10 stands for the digit 0
