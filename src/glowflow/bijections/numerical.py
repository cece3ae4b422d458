"""Inverses by bisection, for maps whose inverse has no formula."""

from collections.abc import Callable

import torch
from torch import Tensor

from glowflow.errors import InputError

DOUBLINGS = 1024
"""How often the interval that is searched may be doubled: up to 2^1023, since twice as much is infinite in float64."""
HALVINGS = 128
"""How often this interval is halved at most. The search ends earlier if no number lies between the interval's ends."""

Elementwise = Callable[[Tensor], tuple[Tensor, Tensor]]
"""x -> (f(x), ln f'(x)), both of x's shape."""


def inverse_of_increasing(f: Elementwise, y: Tensor) -> Tensor:
    """Find x with f(x) = y, for a strictly increasing elementwise map of all numbers, by bisection in y's type.

    The gradient is exact, both with respect to y and to everything that f depends on. It's the gradient of one step of
    Newton's method, which leaves the value as it is (the implicit function theorem).

    Args:
        f: Gives f(x) and ln f'(x).
        y: Any shape; float64 for an exact inverse.

    >>> y = torch.tensor([-2.0, 0.0, 10.0], dtype=torch.float64)
    >>> inverse_of_increasing(lambda x: (x**3 + x, (3 * x**2 + 1).log()), y)
    tensor([-1.,  0.,  2.], dtype=torch.float64)

    Raises:
        InputError: If some y is larger, or smaller, than every value of f, or if f decreases.
    """
    with torch.no_grad():
        low, high = _bracket(f, y)
        x = _bisected(f, y, low, high)
    if not torch.is_grad_enabled():
        return x
    value, log_derivative = f(x)
    residual = value - y
    return x - (residual - residual.detach()) * (-log_derivative.detach()).exp()


def _bracket(f: Elementwise, y: Tensor) -> tuple[Tensor, Tensor]:
    """Ends of intervals with f(low) <= y <= f(high)."""
    low, high = -torch.ones_like(y), torch.ones_like(y)
    for _ in range(DOUBLINGS):
        too_high, too_low = f(low)[0] > y, f(high)[0] < y
        if not (too_high | too_low).any():
            return low, high
        low, high = torch.where(too_high, 2 * low, low), torch.where(too_low, 2 * high, high)
    raise InputError("The map can't be inverted: it doesn't increase, or some values lie outside the map's range.")


def _bisected(f: Elementwise, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        if ((middle == low) | (middle == high)).all():
            break
        below = f(middle)[0] < y
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return _nearer(f, y, low, high)


def _nearer(f: Elementwise, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The one end of the interval at which f is nearer to y."""
    return torch.where((f(low)[0] - y).abs() <= (f(high)[0] - y).abs(), low, high)
