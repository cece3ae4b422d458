"""Conditioners on whole numbers, with the same results on every machine."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections.actnorm import LOGS_FACTOR
from glowflow.codec.form import without_form
from glowflow.codec.linear import floats
from glowflow.codec.product import LARGEST, UNIT, Product, limited
from glowflow.codec.reproducible import Floats, exp
from glowflow.conditioners import ConvConditioner, EdgeConv, ZeroConv
from glowflow.conditioners.edge import ZeroConv1x1

MOST_PIXELS = 1 << 15
"""Pixels of each channel that go through a network at a time, so that the memory doesn't grow with their number."""


class ConvolutionNetwork:
    """Convolutions with ReLUs between them: whole numbers (B, C, H, W) -> (B, C', H, W), int64; n stands for n / 2^14.

    Each convolution is an exact product of matrices. A library's own convolution could choose a way that rounds, such
    as a Fourier transform. Between two convolutions, numbers are rounded to multiples of 2^-14 and limited to 4096.
    """

    def __init__(self, *convolutions: "Convolution") -> None:
        self.convolutions = convolutions

    def __call__(self, x: Tensor) -> Tensor:
        """Run the network, on as many images at a time as `MOST_PIXELS` allows."""
        at_once = max(1, MOST_PIXELS // prod(x.shape[2:]))
        return torch.cat([self._run(part) for part in x.split(at_once)])

    def _run(self, x: Tensor) -> Tensor:
        h = limited(x.transpose(0, 1))
        *hidden, last = self.convolutions
        for convolution in hidden:
            h = convolution(h).clamp_(0, LARGEST)
        return last(h).long().transpose(0, 1)


class Convolution:
    """A convolution of kernel size 1 or 3 with a bias, on whole numbers in float64: (C, B, H, W) -> (C', B, H, W).

    Args:
        kernel: (C', C, k, k). If k is 3, the last input channel is the edge channel: 1 outside the image, 0 inside.
        bias: (C',).
    """

    def __init__(self, kernel: Floats, bias: Floats) -> None:
        self.product = Product(kernel.reshape(len(kernel), -1), bias)
        self.sums = _pixelwise if kernel.shape[-1] == 1 else _gathered if len(kernel) > kernel.shape[1] else _spread

    def __call__(self, h: Tensor) -> Tensor:
        """Convolve."""
        return self.sums(self.product, h).floor_().view(-1, *h.shape[1:])


def _pixelwise(product: Product, h: Tensor) -> Tensor:
    """The sums of a 1x1 convolution, (C', B H W)."""
    return torch.addmm(product.bias, product.weight, h.flatten(1))


def _gathered(product: Product, h: Tensor) -> Tensor:
    """The sums of a 3x3 convolution, from the neighbours of each pixel: best for few input channels."""
    columns = torch.stack(_shifted(_framed(h)), dim=1).flatten(0, 1).flatten(1)
    return torch.addmm(product.bias, product.weight, columns)


def _spread(product: Product, h: Tensor) -> Tensor:
    """The same sums, from what each pixel adds to its neighbours: best for few output channels."""
    framed, outputs = _framed(h), len(product.weight)
    kernels = product.weight.view(outputs, -1, 9).movedim(-1, 0).flatten(0, 1)
    parts = (kernels @ framed.flatten(1)).view(9, outputs, *framed.shape[1:])
    return sum((part[k] for k, part in enumerate(_shifted(parts))), product.bias.view(-1, 1, 1, 1)).flatten(1)


def _framed(h: Tensor) -> Tensor:
    """Images with padding, and the edge channel: (C, B, H, W) -> (C + 1, B, H + 2, W + 2)."""
    edge = F.pad(torch.zeros_like(h[:1]), (1, 1, 1, 1), value=UNIT)
    return torch.cat([F.pad(h, (1, 1, 1, 1)), edge])


def _shifted(framed: Tensor) -> list[Tensor]:
    """The nine views (..., H, W) of tensors (..., H + 2, W + 2), row by row."""
    height, width = framed.shape[-2] - 2, framed.shape[-1] - 2
    return [framed[..., i : i + height, j : j + width] for i in range(3) for j in range(3)]


def network_of(part: nn.Module) -> ConvolutionNetwork:
    """The integer form of a network; InputError if it has none."""
    if type(part) not in _NETWORKS:
        raise without_form(part)
    return ConvolutionNetwork(*_NETWORKS[type(part)](part))


def _conv(network: ConvConditioner) -> list[Convolution]:
    weights, norms = (network.conv1.weight, network.get_parameter("conv2.weight")), (network.norm1, network.norm2)
    hidden = [_scaled(weight, norm.bias, norm.logs) for weight, norm in zip(weights, norms, strict=True)]
    return [*hidden, *_zero(network.conv3)]


def _zero(layer: ZeroConv | ZeroConv1x1) -> list[Convolution]:
    return [_scaled(layer.weight, layer.bias, layer.logs)]


def _edge(layer: EdgeConv) -> list[Convolution]:
    return [Convolution(floats(layer.weight), np.zeros(len(layer.weight)))]


def _scaled(weight: Tensor, bias: Tensor, logs: Tensor) -> Convolution:
    """The convolution that is followed by (y + bias) exp(3 logs)."""
    scales = exp(LOGS_FACTOR * floats(logs))
    return Convolution(floats(weight) * scales[:, None, None, None], floats(bias) * scales)


_NETWORKS: dict[type, Callable[[Any], list[Convolution]]] = {
    ConvConditioner: _conv,
    ZeroConv: _zero,
    ZeroConv1x1: _zero,
    EdgeConv: _edge,
}
