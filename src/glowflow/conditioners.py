"""The networks inside couplings and priors. They are not inverted, so any will do; these are Glow's and RealNVP's."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from glowflow.bijections.actnorm import LOGS_FACTOR, ActNorm

HIDDEN_STD = 0.05
"""Standard deviation of the hidden kernels at the start."""


class EdgeConv(nn.Module):
    """3x3 convolution without bias that also sees where the image ends.

    It pads with zeros and an additional, last input channel that is 1 on the padding and 0 inside.
    (B, C_in, H, W) -> (B, C_out, H, W). From the original code (tfops.py, `add_edge_padding`).

    >>> import torch
    >>> EdgeConv(6, 512)(torch.randn(2, 6, 16, 16)).shape
    torch.Size([2, 512, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, std: float = HIDDEN_STD) -> None:
        super().__init__()
        self.weight = nn.Parameter(std * torch.randn(out_channels, in_channels + 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x and its border."""
        return edge_conv(x, self.weight)


def edge_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`EdgeConv` as a function, with weight (C_out, C_in + 1, 3, 3) and bias (C_out,).

    The last channel is the same for every image, so what it adds is a bias that depends on the position.
    """
    edge = F.conv2d(_border(x), weight[:, -1:], bias)
    return F.conv2d(x, weight[:, :-1], padding=1) + edge.contiguous(memory_format=torch.channels_last)


def _border(x: Tensor) -> Tensor:
    """The last channel, (1, 1, H + 2, W + 2), the same for every image: 1 on the padding, 0 inside."""
    return F.pad(x.new_zeros(1, 1, *x.shape[2:]), (1, 1, 1, 1), value=1.0)


class ZeroConv(EdgeConv):
    """`EdgeConv` that starts at zero, with bias and scale: (conv(x) + bias) * exp(3 logs).

    What it parametrises therefore starts as the identity. Kingma & Dhariwal 2018, section 3.3.

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
        """Kernel and bias of the one `edge_conv` that this is."""
        scale = (LOGS_FACTOR * self.logs).exp()
        return self.weight * scale[:, None, None, None], self.bias * scale

    def freeze(self, precision: torch.dtype | None = None) -> "FrozenEdgeConv":
        """The same convolution with its folded weights computed, in another type if one is given."""
        return FrozenEdgeConv(*self.folded(), precision)


class FrozenEdgeConv(nn.Module):
    """The inference form of `edge_conv`: what the border adds is computed once for a size of images, and kept."""

    weight: Tensor
    edge_weight: Tensor
    bias: Tensor

    @torch.no_grad()
    def __init__(self, weight: Tensor, bias: Tensor, precision: torch.dtype | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", _constant(weight[:, :-1], precision))
        self.register_buffer("edge_weight", _constant(weight[:, -1:], precision))
        self.register_buffer("bias", _constant(bias, precision))
        self.edges: dict[object, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x and its border."""
        return F.conv2d(x, self.weight, padding=1) + _kept(self.edges, x, self._edge)

    def _edge(self, x: Tensor) -> Tensor:
        """What the border and the bias add, (1, C_out, H, W)."""
        edge = F.conv2d(_border(x).to(self.weight), self.edge_weight, self.bias)
        return edge.contiguous(memory_format=torch.channels_last)


class ZeroLinear(nn.Module):
    """Linear map that starts at zero: (x W^T + bias) * exp(3 logs), (B, in) -> (B, out).

    >>> import torch
    >>> ZeroLinear(10, 96)(torch.eye(10)).shape
    torch.Size([10, 96])
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.logs = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, shift, scale."""
        return F.linear(x, self.weight, self.bias) * (LOGS_FACTOR * self.logs).exp()


class ConvConditioner(nn.Module):
    """The coupling's network: conv 3x3, actnorm, ReLU, conv 1x1, actnorm, ReLU, zero conv 3x3.

    (B, C_in, H, W) -> (B, C_out, H, W), with `width` hidden channels. Kingma & Dhariwal 2018, section 5.

    >>> import torch
    >>> ConvConditioner(6, 12, width=64)(torch.randn(2, 6, 16, 16)).shape
    torch.Size([2, 12, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = EdgeConv(in_channels, width)
        self.norm1 = ActNorm(width)
        self.conv2 = nn.Conv2d(width, width, 1, bias=False)
        nn.init.normal_(self.conv2.weight, std=HIDDEN_STD)
        self.norm2 = ActNorm(width)
        self.conv3 = ZeroConv(width, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        *first_two, kernel3, bias3 = self.folded()
        return edge_conv(_two_convolutions(_bordered(x), *first_two), kernel3, bias3)

    def folded(self) -> tuple[Tensor, ...]:
        """Kernel and bias of each of the three convolutions, the actnorms and the scale taken into them."""
        first, second = self.norm1.folded_into(self.conv1.weight), self.norm2.folded_into(self.conv2.weight)
        return (*first, *second, *self.conv3.folded())

    def freeze(self, precision: torch.dtype | None = None) -> "FrozenConvConditioner":
        """The same network with its folded weights computed, in another type if one is given."""
        return FrozenConvConditioner(self, precision)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialise both actnorms on the batch x, in order, and return the network's output."""
        h = F.relu(self.norm1.initialize(self.conv1(x)))
        h = F.relu(self.norm2.initialize(self.conv2(h)))
        return self.conv3(h)


class FrozenConvConditioner(nn.Module):
    """The inference form of a `ConvConditioner`: its folded weights are constants, and so are the images' borders."""

    @torch.no_grad()
    def __init__(self, network: ConvConditioner, precision: torch.dtype | None = None) -> None:
        super().__init__()
        *first_two, kernel3, bias3 = network.folded()
        for index, tensor in enumerate(first_two):
            self.register_buffer(f"constant{index}", _constant(tensor, precision))
        self.conv3 = FrozenEdgeConv(kernel3, bias3, precision)
        self.empties: dict[object, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        kernel1, bias1, kernel2, bias2 = self.buffers(recurse=False)
        padded = _kept(self.empties, x, _bordered).expand(len(x), -1, -1, -1).clone(memory_format=torch.channels_last)
        padded[:, :-1, 1:-1, 1:-1] = x
        return self.conv3(_two_convolutions(padded, kernel1, bias1, kernel2, bias2))


def _two_convolutions(padded: Tensor, kernel1: Tensor, bias1: Tensor, kernel2: Tensor, bias2: Tensor) -> Tensor:
    """Edge convolution of what has its border already, ReLU, 1x1 convolution, ReLU."""
    h = F.conv2d(padded, kernel1, bias1).relu_()
    return F.conv2d(h, kernel2, bias2).relu_()


def _bordered(x: Tensor) -> Tensor:
    """Zeros around x, and the channel that is 1 on the padding: what the original convolves."""
    padded = torch.cat([F.pad(x, (1, 1, 1, 1)), _border(x).expand(len(x), -1, -1, -1)], dim=1)
    return padded.contiguous(memory_format=torch.channels_last)


def _constant(tensor: Tensor, precision: torch.dtype | None) -> Tensor:
    """A copy for inference, kernels laid out as images are."""
    constant = tensor.to(precision or tensor.dtype, copy=True)
    return constant.contiguous(memory_format=torch.channels_last if constant.ndim == 4 else torch.contiguous_format)


def _kept(values: dict[object, Tensor], x: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """What `make` gives for images of x's size, type and device, of which it may look at zeros only; made once."""
    key = (*x.shape[1:], x.dtype, x.device)
    if key not in values:
        values[key] = make(x.new_zeros(1, *x.shape[1:]))
    return values[key]


class ResidualConditioner(nn.Module):
    """RealNVP's network: a residual one, the sum of whose blocks' outputs leads to its own.

    (B, C_in, H, W) -> (B, C_out, H, W), with `width` hidden channels. It starts at zero. Dinh et al. 2017, section 4.1,
    and their code, with weight normalisation, and actnorm in the place of batch normalisation.

    >>> import torch
    >>> ResidualConditioner(3, 6, width=32, num_blocks=2)(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 6, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, num_blocks: int) -> None:
        super().__init__()
        self.first = _normalized_conv(2 * in_channels, width, 3)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(num_blocks)])
        self.skips = nn.ModuleList([_normalized_conv(width, width, 1) for _ in range(num_blocks + 1)])
        self.norm = ActNorm(width)
        self.last = _normalized_conv(width, out_channels, 1)
        for name in ("bias", "parametrizations.weight.original0"):  # the latter are the norms of the kernels
            nn.init.zeros_(self.last.get_parameter(name))

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        return self._run(x, _normalize)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialise every actnorm on the batch x, in order, and return the network's output."""
        return self._run(x, ActNorm.initialize)

    def _run(self, x: Tensor, normalize: "Normalize") -> Tensor:
        first, *others = self.skips
        h = self.first(F.relu(torch.cat([x, -x], dim=1)))
        total = first(h)
        for block, skip in zip(self.blocks, others, strict=True):
            h = h + block(h, normalize)
            total = total + skip(h)
        return self.last(F.relu(normalize(self.norm, total)))


class ResidualBlock(nn.Module):
    """What a block of `ResidualConditioner` adds: actnorm, ReLU, conv 3x3, twice; (B, width, H, W) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ActNorm(width), ActNorm(width)
        self.conv1, self.conv2 = _normalized_conv(width, width, 3), _normalized_conv(width, width, 3)

    def forward(self, h: Tensor, normalize: "Normalize") -> Tensor:
        """Run the block, with `normalize(norm, h)` for each actnorm."""
        h = self.conv1(F.relu(normalize(self.norm1, h)))
        return self.conv2(F.relu(normalize(self.norm2, h)))


Normalize = Callable[[ActNorm, Tensor], Tensor]


def _normalize(norm: ActNorm, h: Tensor) -> Tensor:
    return norm(h)[0]


def _normalized_conv(in_channels: int, out_channels: int, size: int) -> nn.Module:
    return weight_norm(nn.Conv2d(in_channels, out_channels, size, padding="same"))


class TopNetwork(nn.Module):
    """Mean and logsd of the top latent: a learned constant, plus a part that depends on the class.

    The constant is a `ZeroConv` applied to zeros, which the edge channel makes depend on the position.
    `forward(y)` takes labels (B,), or None without classes, and gives (B or 1, 2 C, H, W).

    Args:
        shape: (C, H, W) of the top latent.
        learned: Whether the constant is learned, or zero (a standard normal).
        num_classes: Of the labels; 0 for none.

    >>> TopNetwork((48, 4, 4))(None).shape
    torch.Size([1, 96, 4, 4])
    """

    zeros: Tensor

    def __init__(self, shape: tuple[int, int, int], *, learned: bool = True, num_classes: int = 0) -> None:
        super().__init__()
        channels, height, width = shape
        self.num_classes = num_classes
        self.register_buffer("zeros", torch.zeros(1, 2 * channels, height, width), persistent=False)
        self.conv = ZeroConv(2 * channels, 2 * channels) if learned else None
        self.embedding = ZeroLinear(num_classes, 2 * channels) if num_classes else None

    def forward(self, y: Tensor | None) -> Tensor:
        """Parameters of the prior, for labels y."""
        h = self.zeros if self.conv is None else self.conv(self.zeros)
        if self.embedding is None or y is None:
            return h
        one_hot = F.one_hot(y, self.num_classes).to(h)
        return h + self.embedding(one_hot)[:, :, None, None]
