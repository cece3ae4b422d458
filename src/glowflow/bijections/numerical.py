"""Inverses by bisection, of maps that have no formula for theirs."""

from collections.abc import Callable

import torch
from torch import Tensor

DOUBLINGS = 1024
"""Of the interval in which the solution is looked for: enough for every float64 number."""
HALVINGS = 128
"""Of this interval, at most; it ends earlier, when no number lies between its ends."""

Elementwise = Callable[[Tensor], tuple[Tensor, Tensor]]
"""x -> (f(x), ln f'(x)), both of x's shape."""


def inverse_of_increasing(f: Elementwise, y: Tensor) -> Tensor:
    """The x with f(x) = y for a strictly increasing elementwise map of all numbers, by bisection in y's type.

    The gradient is exact: one step of Newton's method, whose value is that of the bisection, is differentiated in place
    of the bisection (the implicit function theorem), both with respect to y and to whatever f depends on.

    Args:
        f: Gives f(x) and ln f'(x).
        y: Any shape; float64 for an exact inverse.

    >>> y = torch.tensor([-2.0, 0.0, 10.0], dtype=torch.float64)
    >>> inverse_of_increasing(lambda x: (x**3 + x, (3 * x**2 + 1).log()), y)
    tensor([-1.,  0.,  2.], dtype=torch.float64)

    Raises:
        ValueError: If f reaches no value as large, or as small, as some y.
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
    raise ValueError("The map can't be inverted: it reaches no value as far out as some that are given.")


def _bisected(f: Elementwise, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        if ((middle == low) | (middle == high)).all():
            break
        below = f(middle)[0] < y
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return _nearer(f, y, low, high)


def _nearer(f: Elementwise, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The end of the interval whose value is nearer to y."""
    return torch.where((f(low)[0] - y).abs() <= (f(high)[0] - y).abs(), low, high)
