"""One step of flow."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, cast

import torch
from torch import Tensor

from glowflow.bijections.actnorm import LOGS_FACTOR, ActNorm
from glowflow.bijections.base import Bijection, Chain
from glowflow.bijections.conv1x1 import Conv1x1, Invertible1x1, float64, mix
from glowflow.bijections.coupling import Coupling
from glowflow.bijections.permutation import Permute, Reverse
from glowflow.errors import InputError

LINEAR = {Invertible1x1.forward, Permute.forward, Reverse.forward}
"""What layers do that multiply the channels of each pixel by one matrix."""


class Step(Chain):
    """Actnorm, a permutation (or none), and a coupling: the unit that a level repeats.

    (B, C, H, W) -> (B, C, H, W). Kingma & Dhariwal 2018, figure 2a.

    >>> import torch
    >>> from glowflow.bijections import AdditiveCoupling, Conv1x1, Step
    >>> step = Step(ActNorm(4), Conv1x1(4), AdditiveCoupling(torch.nn.Conv2d(2, 2, 3, padding=1)))
    >>> step(torch.randn(2, 4, 8, 8))[0].shape
    torch.Size([2, 4, 8, 8])
    """

    @property
    def actnorm(self) -> ActNorm:
        """The first layer."""
        return cast("ActNorm", self._modules["0"])

    @property
    def permutation(self) -> Bijection | None:
        """The layer that mixes the channels, if there is one."""
        layers = list(self)
        return layers[1] if len(layers) > 2 else None

    @property
    def unmixed(self) -> Bijection | None:
        """The permutation if no matrix stands for it, so that it has to run by itself."""
        return None if self.permutation is None or type(self.permutation).forward in LINEAR else self.permutation

    @property
    def coupling(self) -> Coupling:
        """The last layer."""
        return cast("Coupling", list(self)[-1])

    def freeze(self) -> "FrozenStep":
        """The step with the layers before the coupling as one map, if this map is linear."""
        return FrozenStep(self)


class FrozenStep(Bijection):
    """The inference form of a `Step`. The first two layers are one map, whose inverse and determinant are constants.

    A permutation that isn't linear runs by itself, in its own inference form.

    >>> import torch
    >>> from glowflow.bijections import AdditiveCoupling, Reverse
    >>> step = Step(ActNorm(4), Reverse(), AdditiveCoupling(torch.nn.Conv2d(2, 2, 3, padding=1)))
    >>> x = torch.randn(2, 4, 8, 8)
    >>> torch.allclose(step.freeze().inverse(step(x)[0]), x, atol=1e-6)
    True
    """

    matrix: Tensor
    bias: Tensor
    log_abs_det: Tensor
    inverse_matrix: Tensor
    inverse_bias: Tensor

    @torch.no_grad()
    def __init__(self, step: Step) -> None:
        super().__init__()
        matrix, bias, log_abs_det = (part[0] for part in mixing([step]))
        try:
            inverse = torch.linalg.inv(float64(matrix))
        except RuntimeError:  # a singular matrix
            raise InputError("A 1x1 convolution of the model can't be inverted: its weights are damaged.") from None
        constants = (matrix, bias, log_abs_det, inverse, -inverse @ float64(bias))
        for name, constant in zip(FrozenStep.__annotations__, constants, strict=True):
            self.register_buffer(name, constant.to(matrix))
        self.rest = (step.coupling if step.unmixed is None else Chain(step.unmixed, step.coupling)).freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the channels, then couple."""
        y, log_det = self.rest(mix(x, self.matrix, self.bias))
        return y, log_det + prod(x.shape[2:]) * self.log_abs_det

    def by_position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the channels, which is the same at every position, then couple."""
        y, values = self.rest.by_position(mix(x, self.matrix, self.bias))
        return y, values + self.log_abs_det

    def inverse(self, y: Tensor) -> Tensor:
        """Uncouple, then unmix."""
        return mix(self.rest.inverse(y), self.inverse_matrix, self.inverse_bias)


class Mixing(NamedTuple):
    """Actnorm and linear permutation of each of K steps, as one map of a pixel's channels: W x + bias."""

    matrix: Tensor
    """W, (K, C, C)."""
    bias: Tensor
    """(K, C)."""
    log_abs_det: Tensor
    """Ln |det W|, (K,), in nats."""


def mixing(steps: Sequence[Step]) -> Mixing:
    """W diag(s) x + W (s b), for each step's actnorm s (x + b) and permutation W, in the type of the actnorms."""
    norms = [step.actnorm for step in steps]
    bias, logs = (torch.stack(values) for values in zip(*((n.bias, n.logs) for n in norms), strict=True))
    log_scale = LOGS_FACTOR * logs
    scale = log_scale.exp()
    permutations = [step.permutation if step.unmixed is None else None for step in steps]
    matrix = torch.stack([_matrix(permutation, bias) for permutation in permutations]).to(bias)
    log_abs_det = log_scale.sum(1) + _log_abs_dets(permutations, bias).to(bias)
    return Mixing(matrix * scale[:, None], (matrix @ (bias * scale)[:, :, None])[:, :, 0], log_abs_det)


def _matrix(permutation: Bijection | None, biases: Tensor) -> Tensor:
    """The permutation's matrix, output channels first."""
    if type(permutation) is Conv1x1:  # a subclass may have another matrix
        return permutation.weight
    if isinstance(permutation, Invertible1x1):
        return permutation.matrix()
    identity = torch.eye(biases.shape[1], dtype=biases.dtype, device=biases.device)
    return identity if permutation is None else permutation(identity)[0].T


def _log_abs_dets(permutations: Sequence[Bijection | None], biases: Tensor) -> Tensor:
    """Ln |det W| of each permutation, float64; dense convolutions take one batched call."""
    if all(type(permutation) is Conv1x1 for permutation in permutations):
        weights = torch.stack([cast("Conv1x1", permutation).weight for permutation in permutations])
        return torch.linalg.slogdet(float64(weights).mT).logabsdet  # transposed: its gradient is laid out like W
    zero = float64(biases.new_zeros(()))
    return torch.stack([p.log_abs_det() if isinstance(p, Invertible1x1) else zero for p in permutations])
