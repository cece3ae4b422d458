"""RealNVP's change of variables on the images themselves."""

from math import log

import torch.nn.functional as F
from torch import Tensor

from glowflow.bijections.base import Bijection, per_image


class Logit(Bijection):
    """Maps the bounded range of pixels onto all numbers: y = ln(p / (1 - p)), p = 1/2 + (1 - 2 margin) x.

    log_det = sum(ln(1 - 2 margin) - ln p - ln(1 - p)). For x in [-1/2, 1/2], p stays `margin` away from 0 and 1.
    (B, C, H, W) -> (B, C, H, W). Dinh et al. 2017, section 4.1, with their code's margin.

    >>> import torch
    >>> logit, x = Logit(), torch.rand(2, 3, 8, 8) - 0.5
    >>> torch.allclose(logit.inverse(logit(x)[0]), x, atol=1e-6)
    True
    """

    def __init__(self, margin: float = 0.05) -> None:
        super().__init__()
        self.slope = 1 - 2 * margin

    def extra_repr(self) -> str:
        """The margin."""
        return f"margin={(1 - self.slope) / 2:g}"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """To the logit."""
        y, log_derivative = self._transformed(x)
        return y, per_image(log_derivative)

    def by_position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """To the logit, with the logarithms of the derivatives added over the channels."""
        y, log_derivative = self._transformed(x)
        return y, log_derivative.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """From the logit."""
        return (y.sigmoid() - 0.5) / self.slope

    def _transformed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Y and ln dy/dx, both of x's shape."""
        p = 0.5 + self.slope * x
        y = p.log() - (1 - p).log()
        return y, log(self.slope) - F.logsigmoid(y) - F.logsigmoid(-y)
