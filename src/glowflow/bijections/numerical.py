"""Inverses by search, for maps whose inverse has no formula."""

from collections.abc import Callable
from math import frexp

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from glowflow.errors import InputError

DOUBLINGS, FEW_DOUBLINGS = 1024, 64
"""How often the interval that is searched may be doubled: up to 2^1023, since twice as much is infinite in float64. If
values can't be read, all doublings are made, and so there are few: up to 2^63."""
USUAL = 4.0
"""Latents and logits are about as large. A solution near 0 is found as exactly as one of this size."""
EXTRA_MOVES = 8
"""A search takes at most as many moves as a number has binary digits, and so many more."""

Elementwise = Callable[[Tensor], tuple[Tensor, Tensor]]
"""x -> (f(x), ln f'(x)), both of x's shape."""
State = tuple[Tensor, ...]
"""What a search has found so far."""


def inverse_of_increasing(f: Elementwise, y: Tensor, interval: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Find x with f(x) = y, for a strictly increasing elementwise map of all numbers, in y's type.

    Newton's method does this, and falls back on bisection where it doesn't converge. The gradient is exact, both with
    respect to y and to everything that f depends on. It's the gradient of one step of Newton's method, which leaves
    the value as it is (the implicit function theorem).

    Args:
        f: Gives f(x) and ln f'(x).
        y: Any shape; float64 for an exact inverse.
        interval: Two numbers for each y, between which x lies. They are searched for if they aren't given.

    >>> y = torch.tensor([-2.0, 0.0, 10.0], dtype=torch.float64)
    >>> inverse_of_increasing(lambda x: (x**3 + x, (3 * x**2 + 1).log()), y)
    tensor([-1.,  0.,  2.], dtype=torch.float64)

    Raises:
        InputError: If some y is larger, or smaller, than every value of f, or if f decreases.
    """
    with torch.no_grad():
        x = _searched(f, y, *(interval or _bracket(f, y)))
    if not torch.is_grad_enabled():
        return x
    value, log_derivative = f(x)
    residual = value - y
    slope = (-log_derivative.detach()).exp().clamp(max=torch.finfo(y.dtype).max)  # of the inverse
    return x - (residual - residual.detach()) * slope


def _bracket(f: Elementwise, y: Tensor) -> tuple[Tensor, Tensor]:
    """Ends of intervals with f(low) <= y <= f(high)."""

    def double(low: Tensor, high: Tensor, _: Tensor) -> tuple[Tensor, State]:
        too_high, too_low = f(low)[0] > y, f(high)[0] < y
        is_wrong = too_high | too_low
        wider = torch.where(too_high, 2 * low, low), torch.where(too_low, 2 * high, high)
        return ~is_wrong.any(), (*wider, is_wrong)

    ones, most = torch.ones_like(y), DOUBLINGS if _can_be_read(y) else FEW_DOUBLINGS
    low, high, is_wrong = repeated(double, (-ones, ones, torch.zeros_like(y, dtype=torch.bool)), most)
    if _can_be_read(is_wrong) and is_wrong.any():
        raise InputError("The map can't be inverted: it doesn't increase, or some values lie outside the map's range.")
    return low, high


def _searched(f: Elementwise, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The x between low and high, by moves to where the tangent reaches y.

    A move that leaves the interval, or that isn't at most half of the move along the tangent before it, goes to the
    interval's middle instead. The search ends after moves that are small beside x, or beside `USUAL` or the interval's
    ends, since x may be 0. Near the solution each move along the tangent squares the error.
    """
    eps = torch.finfo(y.dtype).eps
    floor = torch.maximum(low.abs(), high.abs()).clamp(max=USUAL)

    def move(x: Tensor, longest: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, State]:
        value, log_derivative = f(x)
        residual, size = value - y, torch.maximum(x.abs(), floor)
        small, least = eps**0.8 * size, eps * size
        low, high = torch.where(residual <= 0, x, low), torch.where(residual >= 0, x, high)
        tangent, middle = x - residual * (-log_derivative).exp(), low + (high - low) / 2
        is_short = (tangent - x).abs() <= torch.maximum(longest, small)
        is_good = (low <= tangent) & (tangent <= high) & is_short
        moved = torch.where(is_good, tangent, middle)
        length = (moved - x).abs()
        longest = torch.where(is_good, length / 2, length)
        return (length <= torch.where(is_good, small, least)).all(), (moved, longest, low, high)

    return repeated(move, (low + (high - low) / 2, high - low, low, high), EXTRA_MOVES - frexp(eps)[1])[0]


def repeated(move: Callable[..., tuple[Tensor, State]], state: State, most: int) -> State:
    """Apply `move` to the tensors of a state, at most so often.

    Args:
        move: Takes the tensors, and gives whether this was the last move, and the new state.
        state: The state at the beginning.
        most: The largest number of moves.
    """
    if has_torch_function(state):  # as that of an export, which makes a loop of it
        return handle_torch_function(repeated, state, move, state, most)
    for _ in range(most):
        is_last, state = move(*state)
        if _can_be_read(is_last) and is_last:
            break
    return state


def _can_be_read(x: Tensor) -> bool:
    """False for a tensor without values, and while operations are only recorded. Then all moves are made."""
    return not (x.is_meta or (x.is_cuda and torch.cuda.is_current_stream_capturing()))
