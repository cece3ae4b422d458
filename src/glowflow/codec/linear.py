"""Integer forms of the layers that map the channels of each pixel linearly, one by one or several as one."""

from collections.abc import Callable
from functools import reduce
from math import prod

import numpy as np
import torch
from torch import Tensor

from glowflow.bijections import ActNorm, Bijection, Conv1x1, Conv1x1LU, Permute, Reverse, Shuffle
from glowflow.bijections.actnorm import LOGS_FACTOR
from glowflow.codec.form import Form, integer_form, row, without_form
from glowflow.codec.product import UNIT, Product, is_limited, limited
from glowflow.codec.reproducible import Floats, exp, matmul, triangular
from glowflow.codec.scaling import Ratios, ratios, scale, unscale
from glowflow.codec.stream import Stream
from glowflow.errors import InputError

LARGEST_BIAS = 2.0**30
"""So that a bias can't bring a number near the largest of int64."""


class Linear(Form):
    """The map y = M x + b of each pixel's channels, where M[order] = L U D with triangular L and U.

    D scales each channel. U adds to each channel a rounded sum of those after it, and L one of those before it. These
    sums can be subtracted again, channel by channel. So each factor is a bijection of whole numbers.

    Args:
        matrix: The matrix M, (C, C).
        bias: The vector b, (C,).
    """

    def __init__(self, matrix: Floats, bias: Floats) -> None:
        order, lower, upper, diagonal = triangular(matrix)
        self.scales, self.signs = ratios(np.abs(diagonal)), torch.from_numpy(np.sign(diagonal).astype(np.int64))
        self.upper, self.lower = Product(upper), Product(lower)
        self.order, self.places = torch.from_numpy(order), torch.from_numpy(np.argsort(order))
        if not (np.abs(bias) < LARGEST_BIAS).all():
            raise InputError("The model shifts its channels too far for whole numbers, so it can't code images.")
        self.bias = torch.from_numpy(np.rint(bias * UNIT).astype(np.int64))

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Scale, add, exchange and shift the channels."""
        scaled = torch.from_numpy(scale(row(x), self._ratios(x), stream)).view(x.shape)
        channels = _channels(scaled) * self.signs[:, None]
        for triangle in (self.upper, self.lower):
            channels = _added(channels, triangle)
        return _images(channels[self.places] + self.bias[:, None], x)

    def inverse(self, y: Tensor, stream: Stream) -> Tensor:
        """Undo each, in reverse order."""
        channels = _channels(y)[self.order] - self.bias[self.order, None]
        channels = _subtracted(channels, self.lower, range(1, len(channels)))
        channels = _subtracted(channels, self.upper, range(len(channels) - 2, -1, -1))
        scaled = _images(channels * self.signs[:, None], y)
        return torch.from_numpy(unscale(row(scaled), self._ratios(y), stream)).view(y.shape)

    def _ratios(self, x: Tensor) -> Ratios:
        """The scale of each number of x."""
        batch, _, *size = x.shape
        return Ratios(*(np.tile(np.repeat(numbers, prod(size)), batch) for numbers in self.scales))


def _added(x: Tensor, triangle: Product) -> Tensor:
    """Add to each channel of x (C, N) the rounded sum of the others that a triangle says."""
    return x if triangle.is_zero else x + triangle(x)


def _subtracted(y: Tensor, triangle: Product, order: range) -> Tensor:
    """The x that `_added` maps to y, found channel by channel in this order."""
    if triangle.is_zero:
        return y
    x = y.double()
    pixels, channels, weights, biases = x.T, x.unbind(), triangle.weight.unbind(), triangle.bias.unbind()
    for channel in order:  # what isn't known yet has the weight 0
        channels[channel].sub_(torch.addmv(biases[channel], pixels, weights[channel]).floor_())
    return x.long() if is_limited(x) else _subtracted_far(y, triangle, order)


def _subtracted_far(y: Tensor, triangle: Product, order: range) -> Tensor:
    """The same if numbers are beyond the limit of what enters a product."""
    x, entering = y.clone(), limited(y)
    for channel in order:
        x[channel] -= torch.addmv(triangle.bias[channel], entering.T, triangle.weight[channel]).floor_().long()
        entering[channel] = limited(x[channel])
    return x


def _channels(x: Tensor) -> Tensor:
    """(B, C, ...) -> (C, N)."""
    return x.transpose(0, 1).flatten(1)


def _images(channels: Tensor, like: Tensor) -> Tensor:
    """(C, N) -> (B, C, ...)."""
    batch, _, *size = like.shape
    return channels.view(len(channels), batch, *size).transpose(0, 1)


def composed(layers: list[Bijection], channels: int) -> Linear:
    """Several layers of a number of channels, in this order, as one."""
    matrices, biases = zip(*(affine(layer, channels) for layer in layers), strict=True)
    total = np.zeros((channels, 1))
    for matrix, bias in zip(matrices, biases, strict=True):
        total = matmul(matrix, total) + bias[:, None]
    return Linear(reduce(lambda first, then: matmul(then, first), matrices), total[:, 0])


def affine(layer: Bijection, channels: int) -> tuple[Floats, Floats]:
    """The matrix (C, C) and the bias (C,) of a layer; InputError if it isn't one of those that have them."""
    if type(layer) is Reverse:
        return np.eye(channels)[::-1], np.zeros(channels)
    if type(layer) not in _AFFINE:
        raise without_form(layer)
    return _AFFINE[type(layer)](layer)


def floats(tensor: Tensor) -> Floats:
    """A parameter or buffer in float64; InputError if a number of it isn't finite."""
    values: Floats = tensor.detach().cpu().double().numpy()
    if not np.isfinite(values).all():
        raise InputError("The model has weights that aren't finite, so it can't code images.")
    return values


def _actnorm(layer: ActNorm) -> tuple[Floats, Floats]:
    scales = exp(LOGS_FACTOR * floats(layer.logs))
    return np.diag(scales), scales * floats(layer.bias)


def _dense(layer: Conv1x1) -> tuple[Floats, Floats]:
    return floats(layer.weight), np.zeros(len(layer.weight))


def _decomposed(layer: Conv1x1LU) -> tuple[Floats, Floats]:
    diagonal = floats(layer.sign) * exp(floats(layer.log_s))
    lower = np.tril(floats(layer.lower), -1) + np.eye(len(diagonal))
    upper = np.triu(floats(layer.upper), 1) + np.diag(diagonal)
    return matmul(floats(layer.permutation), matmul(lower, upper)).T, np.zeros(len(diagonal))


def _permuted(layer: Permute) -> tuple[Floats, Floats]:
    return np.eye(len(layer.permutation))[layer.permutation.cpu().numpy()], np.zeros(len(layer.permutation))


_AFFINE: dict[type, Callable[..., tuple[Floats, Floats]]] = {
    ActNorm: _actnorm,
    Conv1x1: _dense,
    Conv1x1LU: _decomposed,
    Permute: _permuted,
    Shuffle: _permuted,
}


@integer_form(*_AFFINE)
def _single(layer: Bijection) -> Linear:
    return Linear(*_AFFINE[type(layer)](layer))
