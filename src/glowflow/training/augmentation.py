"""Random changes to training images, as functions of (seed, position)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.config import TrainConfig
from glowflow.noise import Stream, uniform_noise

MAX_SHIFT = 0.1
"""Largest shift, as a fraction of the image's side."""


def augment(images: Tensor, config: TrainConfig, position: int) -> Tensor:
    """Augment images (B, C, H, W), uint8, that stand at positions position, ..., position + B - 1."""
    if config.augment == "none":
        return images
    noise = uniform_noise(config.seed, Stream.AUGMENTATION, position, len(images), (3,)).to(images.device)
    if config.augment == "flip":
        return torch.where(noise[:, :1, None, None] < 0.5, images, images.flip(3))
    return shift(images, MAX_SHIFT * (2 * noise[:, 1:] - 1))


def shift(images: Tensor, offset: Tensor) -> Tensor:
    """Move images by `offset` (B, 2), which is (x, y) in fractions of a side. The border's pixels are repeated.

    Values between pixels are interpolated, then rounded down, as in the original.
    """
    identity = torch.eye(2, device=images.device).expand(len(images), 2, 2)
    theta = torch.cat([identity, 2 * offset[:, :, None]], dim=2)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return (moved + 1e-3).to(torch.uint8)  # so that 2.9999 becomes 3
