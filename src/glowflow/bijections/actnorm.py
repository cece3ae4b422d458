"""Activation normalisation."""

from math import prod

import torch
from torch import Tensor, nn

from glowflow.bijections.base import Bijection, per_channel

LOGS_FACTOR = 3.0
"""The original learns ln(scale) / 3, which multiplies its effective learning rate."""

EPSILON = 1e-6
"""The original adds it to each standard deviation. A channel whose standard deviation is smaller counts as constant."""


class ActNorm(Bijection):
    """Scales and shifts each channel: y = (x + bias) * exp(3 logs).

    log_det = H W sum_c 3 logs_c. `initialize` gives each channel of the batch zero mean and unit variance. A channel
    that is constant in the batch keeps its scale; the original would multiply it by a million.
    (B, C, H, W) -> (B, C, H, W). Kingma & Dhariwal 2018, section 3.1; the factor 3 is the original code's.

    >>> import torch
    >>> norm = ActNorm(3)
    >>> y = norm.initialize(5 + 2 * torch.randn(64, 3, 8, 8))
    >>> bool(y.mean().abs() < 1e-4 and (y.std() - 1).abs() < 1e-3)
    True
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_channels))
        self.logs = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shift, then scale."""
        if x.shape[1] != len(self.bias):
            raise ValueError(f"This ActNorm is for {len(self.bias)} channels; the input has {x.shape[1]}.")
        y = (x + per_channel(self.bias, x)) * per_channel(self.log_scale.exp(), x)
        log_det = prod(x.shape[2:]) * self.log_scale.sum()
        return y, log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Unscale, then unshift."""
        return y * per_channel((-self.log_scale).exp(), y) - per_channel(self.bias, y)

    def extra_repr(self) -> str:
        """The number of channels."""
        return f"{len(self.bias)}"

    @property
    def log_scale(self) -> Tensor:
        """Natural logarithm of each channel's scale, (C,)."""
        return LOGS_FACTOR * self.logs

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set bias and scale so that each channel of x gets mean 0 and variance 1; an empty batch changes nothing."""
        if not len(x):
            return self.forward(x)[0]
        all_but_channels = [0, *range(2, x.ndim)]
        self.bias.copy_(-x.mean(all_but_channels))
        std = (x + per_channel(self.bias, x)).square().mean(all_but_channels).sqrt()
        std = std.where(std > EPSILON, 1 - EPSILON)  # the scale of a constant channel is unknown
        self.logs.copy_(-(std + EPSILON).log() / LOGS_FACTOR)
        return self.forward(x)[0]
