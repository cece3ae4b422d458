"""Gaussian priors as bijections: eps = (z - mean) / exp(logsd), so that every latent is standard normal."""

from collections.abc import Sequence
from math import log, pi

import torch
from torch import Tensor, nn

from glowflow.bijections.base import Bijection, per_image
from glowflow.bijections.coupling import Coupling, deinterleave


class SplitPrior(Coupling):
    """The prior of the half x_b that a split emits, given the half x_a that it keeps: eps = (x_b - mean) / exp(logsd).

    log_det = -sum logsd. This is a coupling that x_a conditions. The model separates the two halves afterwards.
    The conditioner has C outputs, interleaved: mean = h[0::2], logsd = h[1::2]. Kingma & Dhariwal 2018, figure 2b.

    >>> import torch
    >>> prior = SplitPrior(torch.nn.Conv2d(6, 12, 3, padding=1))
    >>> prior(torch.randn(2, 12, 4, 4))[0].shape
    torch.Size([2, 12, 4, 4])
    """

    params_per_channel = 2

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Standardise the emitted half."""
        return _standardize(x_b, *deinterleave(h))

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Give the emitted half its mean and scale back."""
        return _unstandardize(y_b, *deinterleave(h))


class TopPrior(Bijection):
    """The prior of the top latent, which may depend on the class: y = (x - mean(label)) / exp(logsd(label)).

    log_det = -sum logsd. `network(labels)` gives (B or 1, 2 C, H, W): first the mean, then logsd.

    >>> import torch
    >>> from glowflow.conditioners import TopNetwork
    >>> prior = TopPrior(TopNetwork((48, 4, 4), num_classes=10))
    >>> prior(torch.randn(2, 48, 4, 4), torch.tensor([3, 7]))[0].shape
    torch.Size([2, 48, 4, 4])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Standardise x (B, C, H, W), given labels (B,)."""
        eps, log_derivative = self._transformed(x, labels)
        return eps, per_image(log_derivative).expand(len(x))

    def by_position(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Standardise x, and add the logarithms of the derivatives over the channels."""
        eps, log_derivative = self._transformed(x, labels)
        return eps, log_derivative.sum(1).expand(len(x), -1, -1)

    def inverse(self, y: Tensor, labels: Tensor | None = None) -> Tensor:
        """Give y (B, C, H, W) its mean and scale back, given labels (B,)."""
        return _unstandardize(y, *self.network(labels).chunk(2, dim=1))

    def _transformed(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Eps, and ln deps/dx, for each image or for all."""
        return _standardize(x, *self.network(labels).chunk(2, dim=1))


def standard_normal_log_prob(latents: Tensor | Sequence[Tensor]) -> Tensor:
    """Log-density (B,) in nats of standard normal latents (B, ...), summed over the levels if there are several.

    >>> standard_normal_log_prob(torch.zeros(1, 2))  # -ln(2 pi)
    tensor([-1.8379])
    """
    latents = [latents] if isinstance(latents, Tensor) else latents
    return torch.stack([-0.5 * (eps.square() + log(2 * pi)).flatten(1).sum(1) for eps in latents]).sum(0)


def _standardize(x: Tensor, mean: Tensor, logsd: Tensor) -> tuple[Tensor, Tensor]:
    log_derivative = -logsd
    return (x - mean) * log_derivative.exp(), log_derivative


def _unstandardize(eps: Tensor, mean: Tensor, logsd: Tensor) -> Tensor:
    return eps * torch.exp(logsd) + mean
