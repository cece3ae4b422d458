"""Glow's network, made of three convolutions."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections import ActNorm, Conditioner
from glowflow.bijections.actnorm import LOGS_FACTOR
from glowflow.bijections.conditioner import Weights
from glowflow.conditioners.edge import HIDDEN_STD, EdgeConv, FrozenEdgeConv, ZeroConv, ZeroConv1x1, constant, kept
from glowflow.parts import CONDITIONERS, Conv


@CONDITIONERS.builds("conv")
class ConvConditioner(Conditioner):
    """The coupling's network: conv 3x3, actnorm, ReLU, conv 1x1, actnorm, ReLU, zero conv 3x3 (or 1x1, if `last` is 1).

    (B, C_in, H, W) -> (B, C_out, H, W), with `width` hidden channels. Kingma & Dhariwal 2018, section 5.

    >>> import torch
    >>> ConvConditioner(6, 12, width=64)(torch.randn(2, 6, 16, 16)).shape
    torch.Size([2, 12, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, last: int = 3) -> None:
        super().__init__()
        self.conv1 = EdgeConv(in_channels, width)
        self.norm1 = ActNorm(width)
        self.conv2 = nn.Conv2d(width, width, 1, bias=False)
        nn.init.normal_(self.conv2.weight, std=HIDDEN_STD)
        self.norm2 = ActNorm(width)
        self.conv3 = (ZeroConv if last == 3 else ZeroConv1x1)(width, out_channels)

    @classmethod
    def build(cls, options: Conv, inputs: int, outputs: int, width: int, _size: tuple[int, int]) -> "ConvConditioner":
        """The network that a configuration asks for."""
        return cls(inputs, outputs, width, options.last)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        (weights,) = self.prepare([self], x.shape[2:], None)
        return self.run(x, weights)

    @classmethod
    def prepare(
        cls, networks: Sequence["ConvConditioner"], size: Sequence[int], precision: torch.dtype | None
    ) -> list[Weights]:
        """Fold each network into the frame of its first input, and kernel and bias of three convolutions.

        The first convolution gets its edge channel from the frame. In the third, if it's 3x3, what the edge channel
        adds is a part of the bias, which therefore depends on the position.
        """
        *first_two, kernel3, bias3 = _folded(networks)
        frame = _frame(first_two[0], first_two[0].shape[-1], size)
        if kernel3.shape[2] == 3:
            kernel3, bias3 = kernel3[..., :-1], _edge_biases(frame[:, -1:], kernel3[..., -1], bias3)
        else:
            bias3 = bias3[:, None, None]
        together = [*first_two, kernel3, bias3]
        kind, layout = precision or frame.dtype, torch.contiguous_format
        together = [tensor.to(kind, memory_format=layout).contiguous() for tensor in together]
        frame = frame.to(kind)
        each = zip(*(tensor.unbind() for tensor in together), strict=True)
        return [(frame, *map(_channels_first, tensors)) for tensors in each]

    def run(self, x: Tensor, weights: Weights) -> Tensor:
        """Run the network with what `prepare` computed."""
        frame, *first_two, kernel3, bias3 = weights
        framed = _Framed.apply(x, frame)  # type: ignore[no-untyped-call]
        return F.conv2d(_two_convolutions(framed, *first_two), kernel3, padding=kernel3.shape[-1] // 2).add_(bias3)

    def matrices(self) -> list[nn.Parameter]:
        """The second kernel; the other two convolutions are conditioners themselves."""
        return [self.get_parameter("conv2.weight")]

    def freeze(self, precision: torch.dtype | None = None) -> "FrozenConvConditioner":
        """The inference form, in another type if one is given."""
        return FrozenConvConditioner(self, precision)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialise both actnorms on the batch x, in order, and return the network's output."""
        h = F.relu(self.norm1.initialize(self.conv1(x)))
        h = F.relu(self.norm2.initialize(self.conv2(h)))
        return self.conv3(h)


class FrozenConvConditioner(nn.Module):
    """The inference form of a `ConvConditioner`: its folded weights are constants, and frames are kept."""

    @torch.no_grad()
    def __init__(self, network: ConvConditioner, precision: torch.dtype | None = None) -> None:
        super().__init__()
        *first_two, kernel3, bias3 = (_channels_first(tensor[0]) for tensor in _folded([network]))
        for index, tensor in enumerate(first_two):
            self.register_buffer(f"constant{index}", constant(tensor, precision))
        self.conv3 = (FrozenEdgeConv if kernel3.shape[-1] == 3 else FrozenConv1x1)(kernel3, bias3, precision)
        self.frames: dict[object, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        kernel1, bias1, kernel2, bias2 = self.buffers(recurse=False)
        frame = kept(self.frames, x, lambda x: _frame(x, x.shape[1] + 1, x.shape[2:]))
        return self.conv3(_two_convolutions(_framed(x, frame), kernel1, bias1, kernel2, bias2))


class FrozenConv1x1(nn.Module):
    """The inference form of `ZeroConv1x1`, with a folded kernel and bias."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, precision: torch.dtype | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", constant(weight, precision))
        self.register_buffer("bias", constant(bias, precision))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        return F.conv2d(x, self.weight, self.bias)


def _folded(networks: Sequence[ConvConditioner]) -> list[Tensor]:
    """Kernels (K, C_out, h, w, C_in) and biases (K, C_out) of K networks' first, second and third convolutions.

    A convolution y that is followed by (y + bias) exp(3 logs) is one convolution with a scaled kernel and bias.
    """
    count = len(networks)
    kernels = [[getattr(n, name).weight for n in networks] for name in ("conv1", "conv2", "conv3")]
    norms = [getattr(n, name) for name in ("norm1", "norm2", "conv3") for n in networks]
    scale = (LOGS_FACTOR * torch.cat([norm.logs for norm in norms])).exp()
    bias = torch.cat([norm.bias for norm in norms]) * scale
    sizes = [count * len(norm.bias) for norm in norms[::count]]
    folded = []
    for three, *parts in zip(kernels, scale.split(sizes), bias.split(sizes), strict=True):
        scales, biases = (part.view(count, -1) for part in parts)
        folded += [_Scaled.apply(scales, *three), biases]  # type: ignore[no-untyped-call]
    return folded


class _Scaled(torch.autograd.Function):
    """K kernels (C_out, C_in, h, w) times scales (K, C_out), stacked as (K, C_out, h, w, C_in).

    Each is laid out in memory like a channels-last image. Autograd itself would keep another copy of the stack.
    """

    @staticmethod
    def forward(ctx: Any, scales: Tensor, *kernels: Tensor) -> Tensor:  # noqa: ANN401 (torch's context)
        ctx.save_for_backward(scales, *kernels)
        return _stacked(kernels) * scales[:, :, None, None, None]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        scales, *kernels = ctx.saved_tensors
        grad_scales = (grad * _stacked(kernels)).sum((2, 3, 4))
        return grad_scales, *(grad * scales[:, :, None, None, None]).movedim(-1, 2).unbind()


def _stacked(kernels: Sequence[Tensor]) -> Tensor:
    return torch.stack([kernel.permute(0, 2, 3, 1) for kernel in kernels])


def _edge_biases(edge: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """The edge channel's part of K convolutions, by its kernels (K, C_out, 3, 3), plus biases: (K, H, W, C_out)."""
    biases = F.conv2d(edge, kernel.flatten(0, 1)[:, None], bias.flatten())
    return biases.unflatten(1, bias.shape)[0].movedim(1, -1)


def _channels_first(tensor: Tensor) -> Tensor:
    """(..., H, W, C) as a view (..., C, H, W); a vector stays as it is."""
    return tensor.movedim(-1, -3) if tensor.ndim > 1 else tensor


def _two_convolutions(framed: Tensor, kernel1: Tensor, bias1: Tensor, kernel2: Tensor, bias2: Tensor) -> Tensor:
    """Edge convolution of a framed input, ReLU, 1x1 convolution, ReLU."""
    h = F.conv2d(framed, kernel1, bias1).relu_()
    return F.conv2d(h, kernel2, bias2).relu_()


def _frame(like: Tensor, channels: int, size: Sequence[int]) -> Tensor:
    """Zeros for images of a size (H, W), with their padding, whose last channel is the edge channel."""
    frame = like.new_zeros(1, channels, size[0] + 2, size[1] + 2)
    frame[:, -1].fill_(1)
    frame[:, -1, 1:-1, 1:-1].fill_(0)
    return frame


def _framed(x: Tensor, frame: Tensor) -> Tensor:
    """The frame filled with x (B, C, H, W), which is what the original convolves, in the frame's type."""
    framed = frame.expand(len(x), -1, -1, -1).clone(memory_format=torch.channels_last)
    framed[:, :-1, 1:-1, 1:-1] = x
    return framed


class _Framed(torch.autograd.Function):
    """`_framed`, with a view as its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, frame: Tensor) -> Tensor:  # noqa: ANN401 (torch's context)
        ctx.dtype = x.dtype
        return _framed(x, frame)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return grad[:, :-1, 1:-1, 1:-1].to(ctx.dtype), None
