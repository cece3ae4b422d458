"""Changes that make usual images unusual."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Images = NDArray[np.uint8]
NOISE, BLUR = 0.1, 1.5
"""Standard deviations: of the noise, where values go from 0 to 1, and of the blur, in pixels."""
PATCH = 8
"""The largest side of a patch."""


def rotated(images: Images) -> Images:
    """Turn square images (N, H, H, C) by 90 degrees."""
    return np.ascontiguousarray(np.rot90(images, axes=(1, 2)))


def noisy(images: Images) -> Images:
    """Add Gaussian noise."""
    noise = np.random.default_rng(0).normal(0, 255 * NOISE, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


def blurred(images: Images) -> Images:
    """Blur each channel."""
    flat = images.transpose(0, 3, 1, 2).reshape(-1, *images.shape[1:3])
    soft = [np.asarray(Image.fromarray(channel).filter(ImageFilter.GaussianBlur(BLUR))) for channel in flat]
    size, height, width, channels = images.shape
    return np.stack(soft).reshape(size, channels, height, width).transpose(0, 2, 3, 1)


def inverted(images: Images) -> Images:
    """Make white of black.

    >>> inverted(np.zeros((1, 1, 1, 1), np.uint8)).item()
    255
    """
    return 255 - images


def constant(images: Images) -> Images:
    """Replace each image by one colour."""
    colours = np.random.default_rng(0).integers(0, 256, (len(images), 1, 1, images.shape[3]), dtype=np.uint8)
    return np.broadcast_to(colours, images.shape)


def permuted(images: Images) -> Images:
    """Put the patches of each image into another order. Patches are 8x8, or the next smaller size that fits."""
    num, height, width, channels = images.shape
    side = next(side for side in range(PATCH, 0, -1) if height % side == width % side == 0)
    down, across = height // side, width // side
    split = images.reshape(num, down, side, across, side, channels).swapaxes(2, 3)
    patches = split.reshape(num, down * across, side, side, channels)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(down * across), (num, 1)), axis=1)
    moved = np.take_along_axis(patches, order[..., None, None, None], axis=1)
    return moved.reshape(num, down, across, side, side, channels).swapaxes(2, 3).reshape(images.shape)


CHANGES: Mapping[str, Callable[[Images], Images]] = {
    "rotated": rotated,
    "noise": noisy,
    "blurred": blurred,
    "inverted": inverted,
    "constant": constant,
    "patches permuted": permuted,
}
