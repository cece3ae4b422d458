"""The loss that training minimises."""

from math import log
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.model import Glow


class Loss(NamedTuple):
    """Means over a batch, each a scalar tensor."""

    total: Tensor
    bits_per_dim: Tensor
    bits_y: Tensor
    """Bits per image to name its class; 0 without a classifier."""


class Objective(nn.Module):
    """loss = bits/dim of the images + weight_y * bits of their labels.

    Distributed training needs a module whose `forward` gives the loss.
    """

    def __init__(self, model: Glow, weight_y: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self.weight_y = weight_y

    def forward(self, images: Tensor, noise: Tensor, y: Tensor | None = None) -> Loss:
        """Loss of uint8 images (B, C, H, W) with uniform noise of the same shape and labels y (B,)."""
        if self.model.config.classifier and y is not None:
            bits, logits = self.model.bits_per_dim_and_logits(images, noise, y)
            bits_y = F.cross_entropy(logits, y) / log(2)
        else:
            bits = self.model.bits_per_dim(images, noise, y)
            bits_y = bits.new_zeros(())
        bits_x = bits.mean()
        return Loss(bits_x + self.weight_y * bits_y, bits_x, bits_y)
