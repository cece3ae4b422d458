"""Patches of natural photographs, which are the colour scenes in scikit-image and scikit-learn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.data.cache import Builder, Names, Source
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.glimpse import Glimpse, spread
from glowflow.errors import InputError
from glowflow.packages import package_file
from glowflow.shapes import Shape, shape_text

SCENES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
}
"""Each scene's package and file. A scene's position in this table is its number in `groups`."""

# Whole scenes are held out, because patches of one photograph are alike. The garage with the motorcycle is about as
# hard to compress as the two test scenes, so it predicts their results best.
SPLIT_SCENES: Mapping[Split, tuple[str, ...]] = {
    "train": ("astronaut", "china", "flower", "rocket"),
    "validation": ("motorcycle",),
    "test": ("chelsea", "coffee"),
}
PER_SCENE: Mapping[Split, int] = {"train": 5_000, "validation": 1_000, "test": 1_000}
NUM_IMAGES: Mapping[Split, int] = {split: PER_SCENE[split] * len(SPLIT_SCENES[split]) for split in SPLITS}
REDUCTIONS = (1, 2, 3)
"""Each scene is used at full size, at a half and at a third of it."""
LARGEST = (300, 451)
"""(height, width) of the smallest scene, chelsea."""
SEED = 0


def source(image_shape: Shape) -> Source:
    """Patches of `image_shape`."""
    channels, height, width = image_shape
    if channels not in {1, 3} or height > LARGEST[0] or width > LARGEST[1]:
        raise InputError(
            f"photos can't give patches of {shape_text(image_shape)} (channels x height x width): "
            f"choose 1 or 3 channels and at most {LARGEST[0]}x{LARGEST[1]} pixels, such as 3x32x32 or 3x64x64."
        )
    return Source(
        "photos",
        f"photos-v1-{shape_text(image_shape)}",
        lambda builder: _build(builder, image_shape),
        glimpse=lambda split, num: _glimpse(split, num, image_shape),
    )


def _build(builder: Builder, image_shape: Shape) -> Names:
    for split in SPLITS:
        patches = _Patches.of(split, image_shape)
        builder.save(split, images=patches.cut(np.arange(len(patches.scenes))), groups=patches.scenes)
    return Names()


def _glimpse(split: Split, num: int, image_shape: Shape) -> Glimpse:
    patches = {other: _Patches.of(other, image_shape) for other in SPLITS}
    counts = {other: len(of_split.scenes) for other, of_split in patches.items()}
    rows = spread(counts[split], num)
    shown = Dataset("photos", split, patches[split].cut(rows), groups=patches[split].scenes[rows])
    return Glimpse(shown, counts)


@dataclass(frozen=True)
class _Patches:
    """The N patches of a split. Each is a view into a photograph until it is cut.

    Attributes:
        windows: all possible patches of each scene and scale, uint8 (rows, columns, H, W, C).
        origins: (N,), the index into `windows` for each patch.
        places: (N,), its number among these windows.
        scenes: (N,), the number of its scene.
    """

    windows: Sequence[NDArray[np.uint8]]
    origins: NDArray[np.int64]
    places: NDArray[np.int64]
    scenes: NDArray[np.int64]

    @classmethod
    def of(cls, split: Split, image_shape: Shape) -> "_Patches":
        """The patches of a split, shuffled, so that the first few show all scenes and scales."""
        drawn = [patch for scene in SPLIT_SCENES[split] for patch in _drawn(scene, PER_SCENE[split], image_shape)]
        windows, places, scenes = zip(*drawn, strict=True)
        counts = list(map(len, places))
        order = np.random.default_rng(SEED).permutation(sum(counts))
        origins = np.repeat(np.arange(len(windows)), counts)
        return cls(windows, origins[order], np.concatenate(places)[order], np.repeat(scenes, counts)[order])

    def cut(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The patches at some rows of the split, (N, H, W, C)."""
        patches = np.empty((len(rows), *self.windows[0].shape[2:]), np.uint8)
        for number, windows in enumerate(self.windows):
            mine = self.origins[rows] == number
            patches[mine] = windows[np.unravel_index(self.places[rows[mine]], windows.shape[:2])]
        return patches


def _drawn(scene: str, count: int, image_shape: Shape) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64], int]]:
    """Up to `count` different patches of a scene, equally many of each scale that is large enough; see `_Patches`."""
    _, height, width = image_shape
    images = [image for image in _scales(scene, image_shape[0]) if image.shape[0] >= height and image.shape[1] >= width]
    shares = np.diff(np.linspace(0, count, len(images) + 1).round().astype(int))
    number = list(SCENES).index(scene)
    rng = np.random.default_rng([SEED, number])
    for image, share in zip(images, shares, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(image, (height, width), axis=(0, 1))
        total = windows.shape[0] * windows.shape[1]
        yield windows.transpose(0, 1, 3, 4, 2), rng.choice(total, min(share, total), replace=False), number


def _scales(scene: str, channels: int) -> Iterator[NDArray[np.uint8]]:
    with Image.open(package_file(*SCENES[scene], "photos")) as file:
        photo = file.convert("RGB" if channels == 3 else "L")
    for reduction in REDUCTIONS:
        size = photo.width // reduction, photo.height // reduction
        # Pillow's bicubic filter widens with the reduction, which prevents aliasing.
        scaled = np.asarray(photo.resize(size, Image.Resampling.BICUBIC))
        yield scaled.reshape(size[1], size[0], channels)
