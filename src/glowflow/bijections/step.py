"""One step of flow."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.bijections.actnorm import ActNorm
from glowflow.bijections.base import Bijection, Chain
from glowflow.bijections.conv1x1 import Conv1x1, Invertible1x1, float64
from glowflow.bijections.coupling import Coupling


class Step(Chain):
    """Actnorm, a permutation or none, coupling: the unit that repeats, and that is undone at once.

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
        """What mixes the channels, if anything does."""
        layers = list(self)
        return layers[1] if len(layers) > 2 else None

    @property
    def coupling(self) -> Coupling:
        """The last layer."""
        return cast("Coupling", list(self)[-1])

    def freeze(self) -> "FrozenStep":
        """The step with its first two layers as one map, and that map's inverse."""
        return FrozenStep(self)


class FrozenStep(Bijection):
    """The inference form of a `Step`: its mixing, the inverse and the determinant are constants.

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
        (mixing,) = mixings([step])
        inverse = torch.linalg.inv(float64(mixing.matrix))
        inverse_bias = -inverse @ float64(mixing.bias)
        constants = (*mixing, inverse, inverse_bias)
        for name, constant in zip(FrozenStep.__annotations__, constants, strict=True):
            self.register_buffer(name, constant.to(mixing.matrix))
        self.coupling = step.coupling.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the channels, then couple."""
        y, log_det = self.coupling(mix(x, self.matrix, self.bias))
        return y, log_det + prod(x.shape[2:]) * self.log_abs_det

    def inverse(self, y: Tensor) -> Tensor:
        """Uncouple, then unmix."""
        return mix(self.coupling.inverse(y), self.inverse_matrix, self.inverse_bias)


class Mixing(NamedTuple):
    """A step's actnorm and permutation as one map of each pixel's channels: W x + bias."""

    matrix: Tensor
    """W, (C, C)."""
    bias: Tensor
    """(C,)."""
    log_abs_det: Tensor
    """Ln |det W|, a scalar, in nats."""


def mixings(steps: Sequence[Step]) -> list[Mixing]:
    """Each step's `Mixing`, in the type of its actnorm; the dense determinants in one batched call, in float64."""
    dets = _log_abs_dets([step.permutation for step in steps])
    return [_mixing(step, log_abs_det) for step, log_abs_det in zip(steps, dets, strict=True)]


def mix(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """W x + bias for each pixel's channels."""
    return F.conv2d(x, matrix[:, :, None, None], bias)


def _mixing(step: Step, log_abs_det: Tensor | float) -> Mixing:
    """W diag(s) x + W (s b), for an actnorm s (x + b) and a permutation W."""
    norm = step.actnorm
    scale = norm.log_scale.exp()
    matrix = _matrix(step.permutation, scale)
    return Mixing(matrix * scale, matrix @ (norm.bias * scale), norm.log_scale.sum() + log_abs_det)


def _matrix(permutation: Bijection | None, like: Tensor) -> Tensor:
    """The permutation's matrix, output channels first."""
    if isinstance(permutation, Invertible1x1):
        return permutation.matrix().to(like)
    identity = torch.eye(len(like), dtype=like.dtype, device=like.device)
    return identity if permutation is None else permutation(identity[:, :, None, None])[0][:, :, 0, 0].T


def _log_abs_dets(permutations: Sequence[Bijection | None]) -> list[Tensor | float]:
    dense = [permutation.matrix() for permutation in permutations if isinstance(permutation, Conv1x1)]
    batched = iter(torch.linalg.slogdet(torch.stack(dense)).logabsdet if dense else ())
    return [
        next(batched) if isinstance(p, Conv1x1) else p.log_abs_det() if isinstance(p, Invertible1x1) else 0.0
        for p in permutations
    ]
