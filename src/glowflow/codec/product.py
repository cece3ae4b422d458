"""Matrix products that are exact, so that every machine gets the same result."""

import numpy as np
import torch
from torch import Tensor

from glowflow.codec.reproducible import Floats, sums
from glowflow.errors import InputError

FRACTION = 14
"""A whole number n of the codec stands for the real number n / 2^14."""
UNIT = 1 << FRACTION
LARGEST = 1 << 26
"""The whole numbers that enter a product lie between -2^26 and 2^26, so the real ones between -4096 and 4096."""
EXACT = 1 << 52
"""float64 represents all halves of whole numbers below this one."""
FINEST = 24
"""Weights are rounded to multiples of 2^-24 or more."""


class Product:
    """The product W x + b, rounded to whole numbers, where x and the result stand for multiples of 2^-14.

    W and b are rounded to multiples of 2^-q, and so float64 computes with multiples of 2^-q, which are whole numbers in
    another unit. No sum reaches 2^52 of these units, whichever x comes, since x is limited to +-2^26 and q is chosen
    accordingly. So every sum, and every partial sum, is exact, also with the half that rounds it. Neither the order of
    the additions nor the library, the number of threads or the device matters.

    >>> import numpy as np
    >>> half = Product(np.array([[0.5]]))
    >>> half(torch.tensor([[3, -8]]))
    tensor([[ 2, -4]])

    Args:
        weight: W, (outputs, inputs).
        bias: b, (outputs,); by default 0.

    Raises:
        InputError: If a number isn't finite, or so large that W can't be represented.
    """

    def __init__(self, weight: Floats, bias: Floats | None = None) -> None:
        bias = np.zeros(len(weight)) if bias is None else bias
        self.shift = _finest(weight, bias)
        whole, constant = np.rint(np.ldexp(weight, self.shift)), np.rint(np.ldexp(bias, self.shift + FRACTION))
        largest_sums = np.abs(whole).sum(1) * LARGEST + np.abs(constant)
        if self.shift < 0 or not (largest_sums < EXACT).all():
            raise InputError("The model's weights are too large for whole numbers, so it can't code images.")
        self.weight = torch.from_numpy(np.ldexp(whole, -self.shift))
        """The weight W, in multiples of 2^-q, (outputs, inputs)."""
        self.bias = torch.from_numpy(np.ldexp(constant, -self.shift) + 0.5)[:, None]
        """The bias b as a multiple of 2^-q, and a half, with which `floor` rounds: (outputs, 1)."""
        self.is_zero = not (whole.any() or constant.any())

    def __call__(self, x: Tensor) -> Tensor:
        """The product (outputs, N), int64, of whole numbers x (inputs, N)."""
        return torch.addmm(self.bias, self.weight, limited(x)).floor_().long()


def limited(x: Tensor) -> Tensor:
    """Whole numbers as float64, limited to +-2^26."""
    return x.clamp(-LARGEST, LARGEST).double()


def is_limited(x: Tensor) -> bool:
    """True if no number is beyond +-2^26, so that `limited` would change none."""
    return not x.numel() or float(x.abs().max()) <= LARGEST


def _finest(weight: Floats, bias: Floats) -> int:
    """The q with which the largest possible sum of a product stays below 2^51 units, at most `FINEST`."""
    largest = float((sums(np.abs(weight)) * (LARGEST / UNIT) + np.abs(bias)).max())
    if not np.isfinite(largest):
        raise InputError("The model has weights that aren't finite, so it can't code images.")
    _, exponent = np.frexp(largest)  # largest < 2^exponent
    return min(FINEST, 51 - FRACTION - int(exponent))
