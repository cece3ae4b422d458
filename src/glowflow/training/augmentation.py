"""Random changes to training images, as functions of (seed, position)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.checks import check_whole
from glowflow.config import TrainConfig
from glowflow.errors import InputError
from glowflow.noise import Stream, uniform_noise
from glowflow.parts import AUGMENTATIONS
from glowflow.shapes import Shape


class Augmentation(ABC):
    """A random change of training images. It depends on nothing but the image and the random numbers that it gets.

    >>> flip = AUGMENTATIONS.build("flip")
    >>> image = torch.tensor([[[[1, 2, 3]]]], dtype=torch.uint8)
    >>> flip.numbers((1, 1, 3)), flip.change(image, torch.tensor([[0.7]])).tolist()
    (1, [[[[3, 2, 1]]]])

    Args:
        options: The options of the part in the configuration.
    """

    def __init__(self, options: Any) -> None:  # noqa: ANN401 (each part has its own)
        self.options = options

    @classmethod
    def build(cls, options: Any) -> Self:  # noqa: ANN401
        """Make it from its options."""
        return cls(options)

    @abstractmethod
    def numbers(self, image_shape: Shape) -> int:
        """How many random numbers each image (C, H, W) takes."""

    @abstractmethod
    def change(self, images: Tensor, noise: Tensor) -> Tensor:
        """Change images (B, C, H, W), uint8, by uniform numbers (B, n) in [0, 1). The result is like the images."""


def built(config: TrainConfig) -> list[Augmentation]:
    """The augmentations of a training, in their order."""
    return [AUGMENTATIONS.build(part) for part in config.augmentations]


def augment(images: Tensor, augmentations: Sequence[Augmentation], seed: int, position: int) -> Tensor:
    """Change images (B, C, H, W), uint8, that stand at positions position, ..., position + B - 1."""
    counts = [each.numbers(_shape(images)) for each in augmentations]
    noise = uniform_noise(seed, Stream.AUGMENTATION, position, len(images), (sum(counts),)).to(images.device)
    for each, numbers in zip(augmentations, noise.split(counts, dim=1), strict=True):
        images = each.change(images, numbers)
    return images


def check(config: TrainConfig, image_shape: Shape) -> None:
    """Try the augmentations that aren't glowflow's own on a few images.

    Raises:
        InputError: If one can't be built, gives something other than images, or treats an image differently when
            others stand beside it.
    """
    for part, augmentation in zip(config.augmentations, built(config), strict=True):
        if not AUGMENTATIONS.is_built_in(part):
            _try(augmentation, AUGMENTATIONS.name_of(part), image_shape)


def _try(augmentation: Augmentation, name: str, image_shape: Shape) -> None:
    check_whole(f"The number of random numbers of the augmentation {name}", augmentation.numbers(image_shape), 0)
    images = (256 * uniform_noise(0, Stream.TRAINING, 0, 3, image_shape)).to(torch.uint8)
    found = augment(images.clone(), [augmentation], 0, 0)
    if not isinstance(found, Tensor) or (found.shape, found.dtype) != (images.shape, images.dtype):
        what = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"The augmentation {name} gives {what}; it should give {images.dtype} {tuple(images.shape)}, as it gets."
        )
    alone = [augment(image, [augmentation], 0, position) for position, image in enumerate(images.clone().split(1))]
    if not torch.equal(found, torch.cat(alone)):
        raise InputError(
            f"The augmentation {name} changes an image differently if others stand beside it; it should depend on the "
            "image and its random numbers alone."
        )


@AUGMENTATIONS.builds("none")
class NoChange(Augmentation):
    """Leaves images as they are."""

    def numbers(self, image_shape: Shape) -> int:
        """None."""
        return 0

    def change(self, images: Tensor, noise: Tensor) -> Tensor:
        """The images themselves."""
        return images


@AUGMENTATIONS.builds("flip")
class RandomFlip(Augmentation):
    """Exchanges left and right in half of the images."""

    def numbers(self, image_shape: Shape) -> int:
        """One, which decides."""
        return 1

    def change(self, images: Tensor, noise: Tensor) -> Tensor:
        """The images, mirrored if their numbers are at least a half."""
        return torch.where(noise[:, :, None, None] < 0.5, images, images.flip(3))


@AUGMENTATIONS.builds("turn")
class RandomTurn(Augmentation):
    """Turns each image by 0, 90, 180 or 270 degrees, or by 0 or 180 if images aren't square.

    With flips, these are all eight symmetries of the square. They help models of images without an upper side, such as
    patches of photographs, textures, and pictures from above or through a microscope.
    """

    def numbers(self, image_shape: Shape) -> int:
        """One, which chooses the angle."""
        return 1

    def change(self, images: Tensor, noise: Tensor) -> Tensor:
        """The images, each turned by one of the angles, which divide [0, 1) evenly among them."""
        quarters = (0, 1, 2, 3) if images.shape[2] == images.shape[3] else (0, 2)
        choice = (len(quarters) * noise[:, :, None, None]).long()
        turned = images
        for index, each in enumerate(quarters[1:], 1):
            turned = torch.where(choice == index, images.rot90(each, (2, 3)), turned)
        return turned


@AUGMENTATIONS.builds("shift")
class RandomShift(Augmentation):
    """Moves images by up to `most` of their sides, as the original does."""

    def numbers(self, image_shape: Shape) -> int:
        """Three. The first isn't used, so that runs of earlier versions go on with the same images."""
        return 3

    def change(self, images: Tensor, noise: Tensor) -> Tensor:
        """The images, moved."""
        return shift(images, self.options.most * (2 * noise[:, 1:] - 1))


@AUGMENTATIONS.builds("pixels")
class RandomPixels(Augmentation):
    """Replaces each value, with the probability `share`, by one that is uniform from 0 to 255.

    The channels of a pixel are replaced independently. A model that is trained on such images learns less of what they
    show than of what images have in common: it's a background model of Ren et al. 2019 (arXiv:1906.02845). Their code
    (google-research/genomics_ood/images_ood) changes the values in the same way, with shares from 0.1 to 0.3.
    """

    def numbers(self, image_shape: Shape) -> int:
        """One for each value."""
        return prod(image_shape)

    def change(self, images: Tensor, noise: Tensor) -> Tensor:
        """The images with new values. A number below the share is uniform below it, so it gives the value, too."""
        channels, height, width = _shape(images)
        noise = noise.unflatten(1, (height, width, channels)).permute(0, 3, 1, 2)  # in the memory order of images
        values = (noise * (256 / self.options.share)).clamp(max=255).to(torch.uint8)
        return torch.where(noise < self.options.share, values, images)


def _shape(images: Tensor) -> Shape:
    channels, height, width = images.shape[1:]
    return channels, height, width


def shift(images: Tensor, offset: Tensor) -> Tensor:
    """Move images by `offset` (B, 2), which is (x, y) in fractions of a side. The border's pixels are repeated.

    Values between pixels are interpolated, then rounded down, as in the original.
    """
    identity = torch.eye(2, device=images.device).expand(len(images), 2, 2)
    theta = torch.cat([identity, 2 * offset[:, :, None]], dim=2)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return (moved + 1e-3).to(torch.uint8)  # so that 2.9999 becomes 3
