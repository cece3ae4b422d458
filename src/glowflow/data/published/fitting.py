"""Conversion of a published image to a model's shape, by each data set's protocol."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.data.image_file import fit
from glowflow.data.published.reading import Images, Item
from glowflow.errors import InputError
from glowflow.shapes import Shape

Fit = Callable[[Image.Image, Shape, Item], Images]
"""Makes uint8 (H, W, C) of an image with C channels. The item gives its key and its name in messages."""

CELEBA_BOX = (15, 40, 163, 188)
"""(left, top, right, bottom) of the 148x148 pixels that RealNVP's code crops from 178x218: [40:188, 15:163]."""
REDUCED = 96
"""The shorter side, in pixels, to which RealNVP's code reduces images of LSUN before it crops."""


def centre(image: Image.Image, image_shape: Shape, item: Item) -> Images:
    """The largest part in the middle that has the shape's aspect, reduced by an antialiased bicubic filter."""
    return fit(image, image_shape, item.where)


def padded(image: Image.Image, image_shape: Shape, item: Item) -> Images:
    """The image amid zeros."""
    channels, height, width = image_shape
    if image.width > width or image.height > height:
        raise InputError(f"{item.where} is {image.height}x{image.width}, which {height}x{width} pixels can't hold.")
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return np.asarray(canvas).reshape(height, width, channels)


def face(image: Image.Image, image_shape: Shape, item: Item) -> Images:
    """CelebA's face, cropped as in RealNVP (Dinh et al. 2017), then reduced."""
    return fit(image.crop(CELEBA_BOX), image_shape, item.where)


def random_crop(image: Image.Image, image_shape: Shape, item: Item) -> Images:
    """A piece of the image reduced to 96 pixels on its shorter side: RealNVP's protocol (Dinh et al. 2017, 4.1).

    The image's key decides where the piece is, so it's always the same. The original draws a new piece each time.
    """
    if min(image.size) < REDUCED:
        raise InputError(f"{item.where} is {image.width}x{image.height} pixels: each side should have {REDUCED}.")
    return piece(reduce(np.asarray(image).reshape(image.height, image.width, -1)), image_shape, item)


def piece_or_all(image: Image.Image, image_shape: Shape, item: Item) -> Images:
    """A piece of a larger image, at a place that its key decides. An image of the right shape stays as it is."""
    return piece(np.asarray(image).reshape(image.height, image.width, -1), image_shape, item)


def piece(pixels: Images, image_shape: Shape, item: Item) -> Images:
    """A piece (H, W, C) of an image (h, w, C), at a place that the item's key decides."""
    _, height, width = image_shape
    spare = pixels.shape[0] - height, pixels.shape[1] - width
    if min(spare) < 0:
        raise InputError(f"{item.where} has {pixels.shape[0]}x{pixels.shape[1]} pixels, fewer than {height}x{width}.")
    top, left = (_drawn(f"{side} {item.key}", most) for side, most in zip(("top", "left"), spare, strict=True))
    return pixels[top : top + height, left : left + width]


def _drawn(key: str, most: int) -> int:
    """A pseudo-random whole number from 0 to `most` that depends only on the key."""
    digest = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") * (most + 1) >> 64


def reduce(image: Images) -> Images:
    """An image (h, w, C) reduced to 96 pixels on its shorter side as RealNVP's and Glow's code do it.

    This is scikit-image's `pyramid_reduce`: a Gaussian of standard deviation factor / 3 and linear interpolation, both
    of which are linear, so there is a matrix for each side. Values are then rounded down.
    """
    height, width, _ = image.shape
    factor = min(height, width) / REDUCED
    rows, columns = _reduction(height, factor), _reduction(width, factor)
    planes = rows @ image.transpose(2, 0, 1).astype(np.float32) @ columns.T
    return (planes.clip(0, 255) + 1e-3).astype(np.uint8).transpose(1, 2, 0)  # rounding errors must not make 127 of 128


@lru_cache(maxsize=256)
def _reduction(size: int, factor: float) -> NDArray[np.float32]:
    """The matrix (ceil(size / factor), size) that reduces a side by a factor of at least 1."""
    num_pixels = ceil(size / factor)
    smoothing = _gaussian(size, factor / 3)
    places = (np.arange(num_pixels) + 0.5) * size / num_pixels - 0.5
    left = np.clip(places.astype(np.int64), 0, size - 2)
    share = np.clip(places - left, 0, 1)[:, None]
    return ((1 - share) * smoothing[left] + share * smoothing[left + 1]).astype(np.float32)


def _gaussian(size: int, deviation: float) -> NDArray[np.float64]:
    """The matrix (size, size) that smooths a side by a Gaussian cut off at 4 deviations. Borders are mirrored."""
    radius = int(4 * deviation + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / deviation) ** 2)
    matrix = np.zeros((size, size))
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        sources = (np.arange(size) + offset) % (2 * size)
        np.add.at(matrix, (np.arange(size), np.minimum(sources, 2 * size - 1 - sources)), weight)
    return matrix
