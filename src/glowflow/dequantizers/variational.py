"""Learned dequantisation: a small flow that sees the image shapes the noise in its bins."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from math import log, prod, sqrt
from typing import cast

import torch
from torch import Tensor, nn

from glowflow.bijections import (
    ActNorm,
    AffineTanhCoupling,
    Conditioner,
    Conv1x1,
    Coupling,
    Step,
    standard_normal_log_prob,
)
from glowflow.bijections.base import per_image
from glowflow.bijections.conditioner import prepared
from glowflow.bijections.conv1x1 import mix
from glowflow.bijections.squeeze import channels_to_space, space_to_channels
from glowflow.bijections.step import Mixing, mixing
from glowflow.conditioners import ConvConditioner
from glowflow.config import GlowConfig
from glowflow.dequantizers.base import Dequantizer
from glowflow.images import LARGEST_NOISE, dequantize
from glowflow.parts import DEQUANTIZERS, Variational

SMALLEST_NOISE, LARGEST = 2.0**-25, 1 - 2.0**-24
"""Noise below and above counts as these: half of the smallest positive number that `noise.uniform_noise` gives, and the
largest float32 below 1. The quantiles of 0 and 1 are infinite."""

Condition = Callable[[Coupling, Tensor], Tensor]
"""From a coupling and the input of its network to the network's output."""


@DEQUANTIZERS.builds("variational")
class VariationalDequantizer(Dequantizer):
    """u = cdf(v), v = flow(eps; image), where the noise is cdf(eps), and cdf is that of the standard normal, N.

    log q(u) = log N(eps) - log N(v) - log |det dv/deps|. The flow has a number of steps (actnorm, 1x1 convolution,
    affine coupling) on squeezed noise. The network of each coupling also takes the squeezed image. At first the flow
    only rotates eps, so u is uniform.

    Ho et al. 2019, section 3.1, who have the logistic function instead of cdf, with which u isn't uniform at first.

    >>> dequantizer = VariationalDequantizer(channels=1, num_bits=8)
    >>> images, noise = torch.zeros(5, 1, 4, 4, dtype=torch.uint8), torch.rand(5, 1, 4, 4)
    >>> x, log_q = dequantizer(images, noise)
    >>> x.shape, bool(log_q.abs().max() < 0.01)
    (torch.Size([5, 1, 4, 4]), True)
    """

    def __init__(self, channels: int, num_bits: int, steps: int = 4, width: int = 32) -> None:
        super().__init__()
        self.num_bits = num_bits
        self.steps = nn.ModuleList([_step(4 * channels, width) for _ in range(steps)])

    @classmethod
    def build(cls, options: Variational, config: GlowConfig) -> "VariationalDequantizer":
        """The dequantizer that a configuration asks for."""
        return cls(config.image_shape[0], config.num_bits, options.steps, options.width)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Shape the noise, and add it."""
        couplings = [step.coupling for step in self._steps]
        size = [length // 2 for length in images.shape[2:]]
        together = prepared([coupling.conditioner for coupling in couplings], size, couplings[0].precision)
        weights = dict(zip(couplings, together, strict=True))
        return self._run(images, noise, lambda coupling, x: coupling.condition(x, weights[coupling]))

    def freeze(self) -> "FrozenVariationalDequantizer":
        """The inference form."""
        return FrozenVariationalDequantizer(self)

    @torch.no_grad()
    def initialize(self, images: Tensor, noise: Tensor) -> Tensor:
        """Initialise each step's network on a batch, and return its x."""
        return self._run(images, noise, lambda coupling, x: coupling.conditioner.initialize(x))[0]

    @property
    def _mixing(self) -> Mixing:
        return mixing(self._steps)

    @property
    def _steps(self) -> Sequence[Step]:
        return [cast("Step", step) for step in self.steps]

    def _run(self, images: Tensor, noise: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        eps = space_to_channels(_quantile(noise.to(self._steps[0].actnorm.bias)))
        v, log_det = self._flow(eps, space_to_channels(dequantize(images, self.num_bits).to(eps)), condition)
        log_q = standard_normal_log_prob([eps]) - standard_normal_log_prob([v]) - log_det
        u = LARGEST_NOISE * channels_to_space(_cdf(v))
        return dequantize(images, self.num_bits, u), log_q - prod(u.shape[1:]) * log(LARGEST_NOISE)

    def _flow(self, z: Tensor, image: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """v, and the log-determinant (B,)."""
        matrices, biases, log_abs_dets = self._mixing
        log_det = prod(z.shape[2:]) * log_abs_dets.sum().to(z).expand(len(z))
        for step, matrix, bias in zip(self._steps, matrices, biases, strict=True):
            z_a, z_b = mix(z, matrix, bias).chunk(2, dim=1)
            z_b, log_derivative = step.coupling.transform(z_b, condition(step.coupling, torch.cat([z_a, image], dim=1)))
            z, log_det = torch.cat([z_a, z_b], dim=1), log_det + per_image(log_derivative)
        return z, log_det


class FrozenVariationalDequantizer(VariationalDequantizer):
    """The inference form of a `VariationalDequantizer`: constants, and the inference forms of its networks."""

    matrix: Tensor
    bias: Tensor
    log_abs_det: Tensor

    @torch.no_grad()
    def __init__(self, dequantizer: VariationalDequantizer) -> None:
        Dequantizer.__init__(self)
        self.num_bits = dequantizer.num_bits
        self.steps = deepcopy(dequantizer.steps)
        for name, constant in mixing(self._steps)._asdict().items():
            self.register_buffer(name, constant)
        for step in self._steps:
            frozen = step.coupling.conditioner.freeze(step.coupling.precision)
            step.coupling.conditioner = cast("Conditioner", frozen)
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Shape the noise, and add it."""
        return self._run(images, noise, lambda coupling, x: coupling.condition(x))

    @property
    def _mixing(self) -> Mixing:
        return Mixing(self.matrix, self.bias, self.log_abs_det)


def _step(channels: int, width: int) -> Step:
    network = ConvConditioner(channels // 2 + channels, channels, width)
    return Step(ActNorm(channels), Conv1x1(channels), AffineTanhCoupling(network))


def _quantile(p: Tensor) -> Tensor:
    """The eps with cdf(eps) = p."""
    return sqrt(2) * torch.erfinv(2 * p.clamp(SMALLEST_NOISE, LARGEST) - 1)


def _cdf(v: Tensor) -> Tensor:
    """The probability that a standard normal number is less than v."""
    return 0.5 + 0.5 * torch.erf(v / sqrt(2))
