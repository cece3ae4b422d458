"""Integer forms of couplings, and of the priors that are couplings."""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from glowflow.bijections import (
    AdditiveCoupling,
    AffineCoupling,
    AffineExpCoupling,
    AffineTanhCoupling,
    Coupling,
    SplitPrior,
)
from glowflow.bijections.conditioner import PlainConditioner
from glowflow.bijections.coupling import deinterleave
from glowflow.codec.form import Form, integer_form, row
from glowflow.codec.linear import floats
from glowflow.codec.networks import network_of
from glowflow.codec.product import FRACTION
from glowflow.codec.reproducible import Floats, exp, sigmoid, tanh
from glowflow.codec.scaling import Ratios, ratios, scale, unscale
from glowflow.codec.stream import Integers, Stream

TABLE_FRACTION, TABLE_REACH = 10, 16
"""The scales are tabulated at multiples of 2^-10 from -16 to 16."""


class Shift:
    """y = x + shift."""

    def forward(self, x: Tensor, _: Stream, shift: Tensor) -> Tensor:
        """Add."""
        return x + shift

    def inverse(self, y: Tensor, _: Stream, shift: Tensor) -> Tensor:
        """Subtract."""
        return y - shift


class ShiftAndScale:
    """y = (x + shift) scale(s), where the scale is a fraction from a table.

    Args:
        function: The scale, a positive function of s.
        sign: A factor of the shift, 1 or -1.
    """

    def __init__(self, function: Callable[[Floats], Floats], sign: int = 1) -> None:
        half = TABLE_REACH << TABLE_FRACTION
        self.table, self.half = ratios(function(np.arange(-half, half) / (1 << TABLE_FRACTION))), half
        self.sign = sign

    def forward(self, x: Tensor, stream: Stream, shift: Tensor, s: Tensor) -> Tensor:
        """Add, then scale."""
        return _like(x, scale(row(x + self.sign * shift), self._scales(s), stream))

    def inverse(self, y: Tensor, stream: Stream, shift: Tensor, s: Tensor) -> Tensor:
        """Unscale, then subtract."""
        return _like(y, unscale(row(y), self._scales(s), stream)) - self.sign * shift

    def _scales(self, s: Tensor) -> Ratios:
        """The fraction for each number of s."""
        lost = FRACTION - TABLE_FRACTION
        nearest = (s + (1 << (lost - 1))) >> lost
        place = row(nearest.clamp(-self.half, self.half - 1) + self.half)
        return Ratios(*(numbers[place] for numbers in self.table))


class ScaleAndShift(ShiftAndScale):
    """y = x scale(s) + shift."""

    def forward(self, x: Tensor, stream: Stream, shift: Tensor, s: Tensor) -> Tensor:
        """Scale, then add."""
        return _like(x, scale(row(x), self._scales(s), stream)) + shift

    def inverse(self, y: Tensor, stream: Stream, shift: Tensor, s: Tensor) -> Tensor:
        """Subtract, then unscale."""
        return _like(y, unscale(row(y - shift), self._scales(s), stream))


Elementwise: TypeAlias = Shift | ShiftAndScale


class CouplingForm(Form):
    """The integer form of a coupling: the part x_a stays, and an elementwise map that depends on it changes x_b."""

    def __init__(self, coupling: Coupling, elementwise: Elementwise) -> None:
        conditioner = coupling.conditioner
        self.network = network_of(conditioner.network if isinstance(conditioner, PlainConditioner) else conditioner)
        self.mask, self.elementwise = coupling.mask, elementwise

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Map x_b, given x_a."""
        x_a, x_b = self.mask.split(x)
        return self.mask.join(x_a, self.elementwise.forward(x_b, stream, *self._parameters(x_a)))

    def inverse(self, y: Tensor, stream: Stream) -> Tensor:
        """Map y_b back, given y_a."""
        y_a, y_b = self.mask.split(y)
        return self.mask.join(y_a, self.elementwise.inverse(y_b, stream, *self._parameters(y_a)))

    def _parameters(self, x_a: Tensor) -> tuple[Tensor, ...]:
        h = self.mask.select(self.network(x_a))
        return (h,) if isinstance(self.elementwise, Shift) else deinterleave(h)


@integer_form(AdditiveCoupling)
def _additive(coupling: AdditiveCoupling) -> CouplingForm:
    return CouplingForm(coupling, Shift())


@integer_form(AffineCoupling)
def _affine(coupling: AffineCoupling) -> CouplingForm:
    return CouplingForm(coupling, _sigmoid_scale())


@integer_form(AffineExpCoupling)
def _affine_exp(coupling: AffineExpCoupling) -> CouplingForm:
    return CouplingForm(coupling, _exponential_scale())


@integer_form(AffineTanhCoupling)
def _affine_tanh(coupling: AffineTanhCoupling) -> CouplingForm:
    factor = floats(coupling.factor)
    return CouplingForm(coupling, ScaleAndShift(lambda s: exp(factor * tanh(s))))


@integer_form(SplitPrior)
def _split_prior(prior: SplitPrior) -> CouplingForm:
    return CouplingForm(prior, standardised())


@cache
def _sigmoid_scale() -> ShiftAndScale:
    return ShiftAndScale(lambda s: sigmoid(s + 2))


@cache
def _exponential_scale() -> ScaleAndShift:
    return ScaleAndShift(exp)


@cache
def standardised() -> ShiftAndScale:
    """(x - mean) exp(-logsd), for a mean and a logsd of each number."""
    return ShiftAndScale(lambda logsd: exp(-logsd), sign=-1)


def _like(x: Tensor, numbers: Integers) -> Tensor:
    """Numbers in a row, in the shape of x."""
    return torch.from_numpy(numbers).view(x.shape)
