"""Convolutions that know where the image ends. One of them is zero at first."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections import Conditioner
from glowflow.bijections.actnorm import LOGS_FACTOR

HIDDEN_STD = 0.05
"""Standard deviation of the hidden layers' initial kernels."""


class EdgeConv(Conditioner):
    """3x3 convolution without bias that also knows where the image ends.

    It pads with zeros, and adds a last input channel, the edge channel, that is 1 on the padding and 0 inside.
    (B, C_in, H, W) -> (B, C_out, H, W). From the original code (tfops.py, `add_edge_padding`).

    >>> import torch
    >>> EdgeConv(6, 512)(torch.randn(2, 6, 16, 16)).shape
    torch.Size([2, 512, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, std: float = HIDDEN_STD) -> None:
        super().__init__()
        self.weight = nn.Parameter(std * torch.randn(out_channels, in_channels + 1, 3, 3))

    def extra_repr(self) -> str:
        """The numbers of channels, without the edge channel."""
        outputs, inputs, *_ = self.weight.shape
        return f"{inputs - 1}, {outputs}"

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x and its border."""
        return edge_conv(x, self.weight)

    def matrices(self) -> list[nn.Parameter]:
        """The kernel."""
        return [self.weight]


def edge_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`EdgeConv` as a function, with weight (C_out, C_in + 1, 3, 3) and bias (C_out,).

    The edge channel is the same for every image, so it adds a bias that depends on the position.
    """
    edge = F.conv2d(border(x, x.shape[2:]), weight[:, -1:], bias)
    return F.conv2d(x, weight[:, :-1], padding=1) + edge.contiguous(memory_format=torch.channels_last)


def border(like: Tensor, size: Sequence[int]) -> Tensor:
    """The edge channel of images of a size (H, W), with its padding: (1, 1, H + 2, W + 2)."""
    return F.pad(like.new_zeros(1, 1, *size), (1, 1, 1, 1), value=1.0)


class ZeroConv(EdgeConv):
    """`EdgeConv` with bias and scale, which is zero at first: (conv(x) + bias) * exp(3 logs).

    A map with these parameters is therefore simple at first. Kingma & Dhariwal 2018, section 3.3.

    >>> import torch
    >>> bool((ZeroConv(4, 2)(torch.randn(1, 4, 8, 8)) == 0).all())
    True
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, std=0.0)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.logs = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, shift, scale."""
        return edge_conv(x, *self.folded())

    def folded(self) -> tuple[Tensor, Tensor]:
        """Kernel and bias of the one `edge_conv` that equals this layer."""
        scale = (LOGS_FACTOR * self.logs).exp()
        return self.weight * scale[:, None, None, None], self.bias * scale

    def freeze(self, precision: torch.dtype | None = None) -> "FrozenEdgeConv":
        """The inference form, in another type if one is given."""
        return FrozenEdgeConv(*self.folded(), precision)


class ZeroConv1x1(Conditioner):
    """1x1 convolution with bias and scale, which is zero at first: (conv(x) + bias) * exp(3 logs).

    It sees no neighbours, so it needn't know where the image ends. (B, C_in, H, W) -> (B, C_out, H, W).

    >>> import torch
    >>> bool((ZeroConv1x1(4, 2)(torch.randn(1, 4, 8, 8)) == 0).all())
    True
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.logs = nn.Parameter(torch.zeros(out_channels))

    def extra_repr(self) -> str:
        """The numbers of channels."""
        outputs, inputs, *_ = self.weight.shape
        return f"{inputs}, {outputs}"

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, shift, scale."""
        return F.conv2d(x, self.weight, self.bias) * (LOGS_FACTOR * self.logs).exp()[:, None, None]

    def matrices(self) -> list[nn.Parameter]:
        """The kernel."""
        return [self.weight]


class FrozenEdgeConv(nn.Module):
    """The inference form of `ZeroConv`. What the edge channel adds is computed once for each size of images."""

    weight: Tensor
    edge_weight: Tensor
    bias: Tensor

    @torch.no_grad()
    def __init__(self, weight: Tensor, bias: Tensor, precision: torch.dtype | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", constant(weight[:, :-1], precision))
        self.register_buffer("edge_weight", constant(weight[:, -1:], precision))
        self.register_buffer("bias", constant(bias, precision))
        self.edges: dict[object, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x and its border."""
        return F.conv2d(x, self.weight, padding=1) + kept(self.edges, x, self._edge)

    def _edge(self, x: Tensor) -> Tensor:
        """What the edge channel and the bias add, (1, C_out, H, W)."""
        edge = F.conv2d(border(self.weight, x.shape[2:]), self.edge_weight, self.bias)
        return edge.contiguous(memory_format=torch.channels_last)


def constant(tensor: Tensor, precision: torch.dtype | None) -> Tensor:
    """A copy for inference; a kernel is in channels-last memory."""
    constant = tensor.to(precision or tensor.dtype, copy=True)
    return constant.contiguous(memory_format=torch.channels_last if constant.ndim == 4 else torch.contiguous_format)


def kept(values: dict[object, Tensor], x: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """`make(zeros)`, with zeros like an image of x; `values` keeps it for each size, type and device of images."""
    key = (*x.shape[1:], x.dtype, x.device)
    if key not in values:
        values[key] = make(x.new_zeros(1, *x.shape[1:]))
    return values[key]
