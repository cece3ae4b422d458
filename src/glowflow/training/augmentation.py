"""Random changes to training images, as functions of (seed, position)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.config import TrainConfig
from glowflow.noise import Stream, uniform_noise

MAX_SHIFT = 0.1
"""Largest shift, as a fraction of the image's side."""


def augment(images: Tensor, config: TrainConfig, position: int) -> Tensor:
    """Augmented images (B, C, H, W), uint8, of those at positions position, ..., position + B - 1."""
    if config.augment == "none":
        return images
    noise = uniform_noise(config.seed, Stream.AUGMENTATION, position, len(images), (3,)).to(images.device)
    if config.augment == "flip":
        return torch.where(noise[:, :1, None, None] < 0.5, images, images.flip(3))
    return shift(images, MAX_SHIFT * (2 * noise[:, 1:] - 1))


def shift(images: Tensor, offset: Tensor) -> Tensor:
    """Images moved by `offset` (B, 2), (x, y) in fractions of a side: interpolated, with the border repeated.

    Values are rounded down, as the original does.
    """
    identity = torch.eye(2, device=images.device).expand(len(images), 2, 2)
    theta = torch.cat([identity, 2 * offset[:, :, None]], dim=2)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return (moved + 1e-3).to(torch.uint8)  # the small number keeps values whole that should be
