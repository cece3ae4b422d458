"""Conversions: uint8 images to continuous ones in [-1/2, 1/2) and back, nats to bits per dimension."""

from math import log
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array: TypeAlias = Tensor | NDArray[Any]
"""A tensor or a NumPy array."""

BIN_CENTRE = 0.5
LARGEST_NOISE = 1 - 2**-16
"""With more noise, float32 would round the highest levels up into the next bin."""


def as_tensor(values: Array) -> Tensor:
    """A tensor as it is; a NumPy array as a tensor with a copy of its values, because Pillow's arrays are read-only.

    >>> as_tensor(np.arange(3, dtype=np.uint8)[::-1])
    tensor([2, 1, 0], dtype=torch.uint8)
    """
    return values if isinstance(values, Tensor) else torch.from_numpy(np.array(values, order="C"))


def quantize(images: Array, num_bits: int) -> Tensor:
    """Images (uint8, any shape) with only their `num_bits` upper bits kept.

    >>> quantize(torch.tensor([0, 7, 8, 255], dtype=torch.uint8), num_bits=5)
    tensor([  0,   0,   8, 248], dtype=torch.uint8)
    """
    unused = 8 - num_bits
    return (as_tensor(images) >> unused) << unused


def dequantize(images: Array, num_bits: int, noise: Tensor | float = BIN_CENTRE) -> Tensor:
    """The continuous image x = (level + noise) / 2^n - 1/2, float32, in [-1/2, 1/2).

    With uniform noise in [0, 1), the mean of -log2 p(x), plus n for each value, is an upper bound for the bits of the
    quantised image. The default places each value at its bin's centre, where rounding errors in x do no harm.

    >>> dequantize(torch.tensor([0, 128], dtype=torch.uint8), num_bits=1)
    tensor([-0.2500,  0.2500])
    """
    levels = (as_tensor(images) >> (8 - num_bits)).float()
    return (levels + torch.as_tensor(noise).clamp(max=LARGEST_NOISE)) / 2**num_bits - 0.5


def to_uint8(x: Tensor, num_bits: int) -> Tensor:
    """Images (uint8) from continuous ones: floor((x + 1/2) 2^n) 256 / 2^n, clipped to 0..255.

    >>> images = torch.arange(256, dtype=torch.uint8)
    >>> torch.equal(to_uint8(dequantize(images, 5), 5), quantize(images, 5))
    True
    """
    levels = torch.floor((x + 0.5) * 2**num_bits)
    return (levels * 2 ** (8 - num_bits)).clamp(0, 255).to(torch.uint8)


def bits_per_dim(log_prob: Tensor, num_dims: int, num_bits: int) -> Tensor:
    """Bits per dimension (bits/dim) of the quantised image: (D n ln 2 - log_prob) / (D ln 2).

    Args:
        log_prob: Log-density of the continuous image, in nats.
        num_dims: D = C * H * W.
        num_bits: n, the bits of each value.

    >>> bits_per_dim(torch.tensor(0.0), num_dims=3072, num_bits=8)  # a uniform density on the unit cube
    tensor(8.)
    """
    return num_bits - log_prob / (num_dims * log(2))
