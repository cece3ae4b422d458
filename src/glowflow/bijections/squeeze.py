"""Trading space for channels."""

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
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Channels to space."""
        return F.pixel_shuffle(y, 2)
