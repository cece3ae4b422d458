"""Patches of natural photographs: the colour scenes that scikit-image and scikit-learn ship."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.config import Shape
from glowflow.data.cache import Builder, Names, Source
from glowflow.data.dataset import SPLITS, Split
from glowflow.data.packages import package_file
from glowflow.errors import InputError

SCENES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
}
"""Each scene's package and file; a scene's place in this table is its number in `groups`."""

# Whole scenes are held out: patches of one photograph are alike. The garage with the motorcycle is about as hard to
# compress as the two test scenes, which makes it the fairest judge of what they will show.
SPLIT_SCENES: Mapping[Split, tuple[str, ...]] = {
    "train": ("astronaut", "china", "flower", "rocket"),
    "validation": ("motorcycle",),
    "test": ("chelsea", "coffee"),
}
PER_SCENE: Mapping[Split, int] = {"train": 5_000, "validation": 1_000, "test": 1_000}
NUM_IMAGES: Mapping[Split, int] = {split: PER_SCENE[split] * len(SPLIT_SCENES[split]) for split in SPLITS}
REDUCTIONS = (1, 2, 3)
"""The scales: each scene is taken at full size, half and a third."""
LARGEST = (300, 451)
"""(height, width) of the smallest scene, chelsea."""
SEED = 0


def source(image_shape: Shape) -> Source:
    """Patches of `image_shape`.

    Raises:
        InputError: the shape is larger than the smallest scene, or has neither one channel nor three.
    """
    channels, height, width = image_shape
    if channels not in {1, 3} or height > LARGEST[0] or width > LARGEST[1]:
        raise InputError(
            f"photos can't give patches of {channels}x{height}x{width} (channels x height x width): "
            f"choose 1 or 3 channels and at most {LARGEST[0]}x{LARGEST[1]} pixels, such as 3x32x32 or 3x64x64."
        )
    return Source("photos", f"photos-v1-{channels}x{height}x{width}", lambda builder: _build(builder, image_shape))


def _build(builder: Builder, image_shape: Shape) -> Names:
    for split in SPLITS:
        patches = [_patches(scene, PER_SCENE[split], image_shape) for scene in SPLIT_SCENES[split]]
        numbers = [np.full(len(p), list(SCENES).index(s)) for s, p in zip(SPLIT_SCENES[split], patches, strict=True)]
        # Shuffled, so that any first few show all the scenes and scales.
        order = np.random.default_rng(SEED).permutation(sum(map(len, patches)))
        builder.save(split, images=np.concatenate(patches)[order], groups=np.concatenate(numbers)[order])
    return Names()


def _patches(scene: str, count: int, image_shape: Shape) -> NDArray[np.uint8]:
    """Up to `count` different patches of a scene (N, H, W, C), as many of each scale that is large enough."""
    _, height, width = image_shape
    images = [image for image in _scales(scene, image_shape[0]) if image.shape[0] >= height and image.shape[1] >= width]
    shares = np.diff(np.linspace(0, count, len(images) + 1).round().astype(int))
    rng = np.random.default_rng([SEED, list(SCENES).index(scene)])
    return np.concatenate([_cut(rng, image, n, (height, width)) for image, n in zip(images, shares, strict=True)])


def _scales(scene: str, channels: int) -> Iterator[NDArray[np.uint8]]:
    with Image.open(package_file(*SCENES[scene], "photos")) as file:
        photo = file.convert("RGB" if channels == 3 else "L")
    for reduction in REDUCTIONS:
        size = photo.width // reduction, photo.height // reduction
        # Pillow's bicubic filter widens with the reduction, so that nothing is aliased.
        scaled = np.asarray(photo.resize(size, Image.Resampling.BICUBIC))
        yield scaled.reshape(size[1], size[0], channels)


def _cut(rng: np.random.Generator, image: NDArray[np.uint8], count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    windows = np.lib.stride_tricks.sliding_window_view(image, size, axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    total = windows.shape[0] * windows.shape[1]
    places = rng.choice(total, min(count, total), replace=False)
    return windows[np.unravel_index(places, windows.shape[:2])]
