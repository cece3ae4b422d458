"""Invertible 1x1 convolutions, which mix channels by a learned matrix, either dense or LU-decomposed."""

from abc import abstractmethod
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections.base import Bijection
from glowflow.parts import PERMUTATIONS


class Invertible1x1(Bijection):
    """Mixes the channels of each pixel by one matrix: y[b, :, h, w] = W x[b, :, h, w].

    log_det = H W ln |det W|. (B, C, H, W) -> (B, C, H, W). Kingma & Dhariwal 2018, section 3.2.
    Determinant and inverse are computed in float64. A subclass defines `matrix` and `log_abs_det`.

    >>> class Swap(Invertible1x1):
    ...     def matrix(self):
    ...         return torch.eye(2, dtype=torch.float64).flip(0)
    ...     def log_abs_det(self):
    ...         return torch.zeros((), dtype=torch.float64)
    >>> Swap()(torch.tensor([[1.0, 2.0]]))
    (tensor([[2., 1.]]), tensor([0.]))
    """

    @classmethod
    def build(cls, _: object, channels: int) -> "Invertible1x1":
        """The permutation that a configuration asks for."""
        return cls(channels)

    @abstractmethod
    def matrix(self) -> Tensor:
        """W, (C, C), output channels first, in float64."""

    @abstractmethod
    def log_abs_det(self) -> Tensor:
        """Ln |det W|, a float64 scalar, in nats."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Multiply each pixel's channels by W."""
        log_det = prod(x.shape[2:]) * self.log_abs_det()
        return mix(x, self.matrix()), log_det.to(x).expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Multiply each pixel's channels by the inverse of W."""
        return mix(y, torch.linalg.inv(self.matrix()))


@PERMUTATIONS.builds("conv1x1")
class Conv1x1(Invertible1x1):
    """`Invertible1x1` with the matrix itself as its parameter, initialised as a random rotation.

    >>> import torch
    >>> conv = Conv1x1(12)
    >>> y, log_det = conv(torch.randn(2, 12, 4, 4))
    >>> bool(log_det.abs().max() < 1e-4)  # a rotation keeps volumes
    True
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_random_rotation(num_channels).float().contiguous())

    def extra_repr(self) -> str:
        """The number of channels."""
        return f"{len(self.weight)}"

    def matrix(self) -> Tensor:
        """W."""
        return float64(self.weight)

    def log_abs_det(self) -> Tensor:
        """Ln |det W| by an LU decomposition, O(C^3)."""
        return torch.linalg.slogdet(self.matrix()).logabsdet


@PERMUTATIONS.builds("conv1x1-lu")
class Conv1x1LU(Invertible1x1):
    """`Invertible1x1` whose matrix is W = (P (tril(L, -1) + I) (triu(U, 1) + diag(sign * exp(log_s))))^T.

    P and sign stay fixed, so log_abs_det = sum(log_s) costs O(C). Kingma & Dhariwal 2018, equation 10; the original
    applies the product to row vectors, hence the transpose.

    >>> import torch
    >>> conv = Conv1x1LU(12)
    >>> x = torch.randn(2, 12, 4, 4)
    >>> torch.allclose(conv.inverse(conv(x)[0]), x, atol=1e-5)
    True
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        permutation, lower, upper = torch.linalg.lu(_random_rotation(num_channels))
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation.float())
        self.register_buffer("sign", diagonal.sign().float())
        self.lower = nn.Parameter(lower.float())
        self.upper = nn.Parameter(upper.triu(1).float())
        self.log_s = nn.Parameter(diagonal.abs().log().float())

    def extra_repr(self) -> str:
        """The number of channels."""
        return f"{len(self.log_s)}"

    def matrix(self) -> Tensor:
        """W, composed in float64."""
        lower = float64(self.lower)
        lower = lower.tril(-1) + torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        diagonal = float64(self.sign) * float64(self.log_s).exp()
        upper = float64(self.upper).triu(1) + diagonal.diag()
        return (float64(self.permutation) @ lower @ upper).T

    def log_abs_det(self) -> Tensor:
        """Sum of log_s."""
        return float64(self.log_s).sum()


def mix(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """W x + bias for each pixel's channels, in the type of x.

    With so few channels, a product of matrices takes half of the time of a convolution.
    """
    return F.linear(x.movedim(1, -1), matrix.to(x), bias).movedim(-1, 1)


def mix_backward(grad: Tensor, x: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, matrix and bias, given the gradient of `mix(x, matrix, bias)`."""
    grads, values = (tensor.movedim(1, -1).flatten(0, -2) for tensor in (grad, x))
    return mix(grad, matrix.T), grads.T @ values, grads.sum(0)


def _random_rotation(size: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, dtype=torch.float64)).Q


def float64(x: Tensor) -> Tensor:
    """The tensor in float64; on the CPU if its device has no float64."""
    device = "cpu" if x.device.type == "mps" else x.device  # Apple's GPUs
    return x.to(device, torch.float64)
