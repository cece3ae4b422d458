"""Coupling layers: one half of the channels decides how the other half is changed."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections.base import Bijection


class Coupling(Bijection):
    """Keeps the first half of the channels, x_a, and maps the second, x_b, by an elementwise map given h = f(x_a).

    y = (x_a, t(x_b; h)), where f, the conditioner, is any network from C/2 channels to as many as t needs, and t is
    the subclass's `transform`. The conditioner need not be inverted, and runs once in either direction.
    (B, C, H, W) -> (B, C, H, W), C even. Dinh et al. 2015, section 3.2.
    """

    def __init__(self, conditioner: nn.Module) -> None:
        super().__init__()
        self.conditioner = conditioner

    @abstractmethod
    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """y_b and its log_det, given the conditioner's output."""

    @abstractmethod
    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """The x_b that `transform` maps to y_b."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Transform the second half, given the first."""
        x_a, x_b = _halves(x)
        y_b, log_det = self.transform(x_b, self.conditioner(x_a))
        return torch.cat([x_a, y_b], dim=1), log_det

    def inverse(self, y: Tensor) -> Tensor:
        """Transform the second half back, given the same first."""
        y_a, y_b = _halves(y)
        x_b = self.untransform(y_b, self.conditioner(y_a))
        return torch.cat([y_a, x_b], dim=1)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialise the conditioner on the first half, where it has an `initialize` of its own."""
        x_a, x_b = _halves(x)
        h = getattr(self.conditioner, "initialize", self.conditioner)(x_a)
        return torch.cat([x_a, self.transform(x_b, h)[0]], dim=1)


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.shape[1] % 2:
        raise ValueError(f"A coupling needs an even number of channels; the input has {x.shape[1]}.")
    x_a, x_b = x.chunk(2, dim=1)
    return x_a, x_b


class AdditiveCoupling(Coupling):
    """Coupling with y_b = x_b + h, log_det = 0. The conditioner has C/2 outputs. Dinh et al. 2015.

    >>> import torch
    >>> coupling = AdditiveCoupling(torch.nn.Conv2d(2, 2, 3, padding=1))
    >>> x = torch.randn(1, 4, 8, 8)
    >>> torch.allclose(coupling.inverse(coupling(x)[0]), x, atol=1e-6)
    True
    """

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Add h."""
        return x_b + h, x_b.new_zeros(len(x_b))

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Subtract h."""
        return y_b - h


class AffineCoupling(Coupling):
    """Coupling with y_b = (x_b + shift) * sigmoid(s + 2), log_det = sum ln sigmoid(s + 2).

    The conditioner has C outputs, shift and s interleaved: shift = h[0::2], s = h[1::2]. This is the original code's
    form, whose bounded scale (below 1, near 0.88 at the start) keeps the inverse stable.

    >>> import torch
    >>> coupling = AffineCoupling(torch.nn.Conv2d(2, 4, 3, padding=1))
    >>> coupling(torch.randn(5, 4, 8, 8))[1].shape
    torch.Size([5])
    """

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Shift, then scale."""
        shift, s = deinterleave(h)
        log_scale = F.logsigmoid(s + 2)
        return (x_b + shift) * log_scale.exp(), log_scale.sum((1, 2, 3))

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Unscale, then unshift."""
        shift, s = deinterleave(h)
        return y_b * (-F.logsigmoid(s + 2)).exp() - shift


class AffineExpCoupling(Coupling):
    """Coupling with y_b = x_b * exp(s) + shift, log_det = sum s: the form of the paper's table 1.

    The conditioner has C outputs, interleaved as in `AffineCoupling`. The scale is unbounded, so training is less
    stable than with the original code's form.

    >>> import torch
    >>> coupling = AffineExpCoupling(torch.nn.Conv2d(2, 4, 3, padding=1))
    >>> coupling(torch.randn(5, 4, 8, 8))[1].shape
    torch.Size([5])
    """

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Scale, then shift."""
        shift, s = deinterleave(h)
        return x_b * s.exp() + shift, s.sum((1, 2, 3))

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Unshift, then unscale."""
        shift, s = deinterleave(h)
        return (y_b - shift) * (-s).exp()


def deinterleave(h: Tensor) -> tuple[Tensor, Tensor]:
    """Channels 0, 2, 4, ... and channels 1, 3, 5, ... of h (B, 2 C, H, W): two tensors (B, C, H, W)."""
    return h[:, 0::2], h[:, 1::2]
