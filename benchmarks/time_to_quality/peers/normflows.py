"""VincentStimper/normalizing-flows."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adamax, Optimizer

from benchmarks.time_to_quality.peers.base import Peer, Size, package
from glowflow.bench.peer import multiscale_flow
from glowflow.config import GlowConfig


class Normflows(Peer):
    """Normflows 1.7, its example notebook on image generation with Glow, on CIFAR-10.

    https://github.com/VincentStimper/normalizing-flows/blob/master/examples/glow_colab.ipynb

    L = 3, K = 16, 256 channels, LU, batches of 128, x + 1/2, Adamax with 1e-3 and weight decay 1e-5, the mean of the
    nats as its loss, steps without a finite loss skipped.

    Not as there: the latents' Gaussians have no classes (`DiagGaussian` in the place of `ClassCondDiagGaussian`).
    """

    documented = Size(levels=3, steps=16, width=256, batch_size=128)
    lr = 1e-3

    def build(self) -> nn.Module:
        """As its documentation builds it."""
        config = GlowConfig(self.shape, self.levels, self.size.steps, self.size.width)
        return multiscale_flow(package("normflows"), config)

    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Adamax."""
        return Adamax(parameters, lr=self.lr, weight_decay=1e-5)

    def loss(self, x: Tensor) -> Tensor:
        """Nats, which together with the weight decay is not the same as bits/dim."""
        return -self.log_prob(x).mean()

    def accepts(self, loss: Tensor) -> bool:
        """Only a finite loss."""
        return bool(loss.isfinite())

    def own_log_prob(self, x: Tensor) -> Tensor:
        """Its `log_prob` of x + 1/2."""
        return self.network.log_prob(x + 0.5, None)  # type: ignore[operator]

    def latents(self, x: Tensor) -> Tensor:
        """Without the means and scales of its bases."""
        parts, _ = self.network.inverse_and_log_det(x + 0.5)  # type: ignore[operator]
        bases: Any = self.network.q0
        scaled = [(z - base.loc) / base.log_scale.exp() for z, base in zip(parts, bases, strict=True)]
        return torch.cat([z.flatten(1) for z in scaled], dim=1)

    def draw(self, num: int, temperature: float) -> Tensor:
        """Its `sample`."""
        return self.network.sample(num, temperature=temperature)[0] - 0.5  # type: ignore[operator]
