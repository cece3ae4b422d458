"""The squeeze: space becomes channels."""

import torch.nn.functional as F
from torch import Tensor

from glowflow.bijections.base import Bijection


class Squeeze(Bijection):
    """Turns each 2x2 block of pixels into channels: y[4 c + 2 dy + dx, h, w] = x[c, 2 h + dy, 2 w + dx].

    (B, C, H, W) -> (B, 4 C, H / 2, W / 2), log_det = 0. Dinh et al. 2017, section 3.6.

    >>> import torch
    >>> Squeeze()(torch.zeros(1, 3, 32, 48))[0].shape
    torch.Size([1, 12, 16, 24])
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Space to channels."""
        return space_to_channels(x), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Channels to space."""
        return channels_to_space(y)


def space_to_channels(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 4 C, H / 2, W / 2), a channel for each pixel of a 2x2 block, row by row."""
    batch, channels, height, width = _sizes(x)
    if not batch:  # torch would leave the shape as it is
        return x.reshape(0, 4 * channels, height // 2, width // 2)
    return F.pixel_unshuffle(x, 2)


def channels_to_space(y: Tensor) -> Tensor:
    """The x that `space_to_channels` maps to y."""
    batch, channels, height, width = _sizes(y)
    if not batch:
        return y.reshape(0, channels // 4, 2 * height, 2 * width)
    return F.pixel_shuffle(y, 2)


def _sizes(x: Tensor) -> tuple[int, int, int, int]:
    """The shape of images; ValueError if x has another number of dimensions."""
    if x.ndim != 4:
        raise ValueError(f"A squeeze takes images (B, C, H, W), not a tensor of shape {tuple(x.shape)}.")
    batch, channels, height, width = x.shape
    return batch, channels, height, width
