"""The contract that every dequantizer keeps."""

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Self

import torch
from torch import Tensor, nn


class Dequantizer(nn.Module, ABC):
    """Adds noise to each value of an image, which keeps the value within its bin.

    A value k of n bits becomes x = (k + u) / 2^n - 1/2, where u in [0, 1) is made from the noise and has density q.
    -log2 P(image) is at most the mean over the noise of -log2 p(x) + n D + log2 q(u), for D values. So wherever bits
    are computed, log q is subtracted from log p(x). Theis et al. 2016, section 3.1; Ho et al. 2019, section 3.1.

    >>> from glowflow.dequantizers import UniformDequantizer
    >>> black, noise = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.rand(1, 3, 4, 4)
    >>> x, log_q = UniformDequantizer(num_bits=5)(black, noise)
    >>> bool((x >= -1 / 2).all() and (x < -1 / 2 + 1 / 32).all())
    True
    """

    @abstractmethod
    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Give x (B, C, H, W) in [-1/2, 1/2) and log q (B,) in nats.

        Args:
            images: uint8 (B, C, H, W).
            noise: Uniform numbers in [0, 1), of the same shape.
        """

    @torch.no_grad()
    def initialize(self, images: Tensor, noise: Tensor) -> Tensor:
        """Set the data-dependent parameters from a batch, and return its x."""
        return self(images, noise)[0]

    def freeze(self) -> Self:
        """A separate, immutable form for inference."""
        return deepcopy(self).requires_grad_(requires_grad=False).eval()
