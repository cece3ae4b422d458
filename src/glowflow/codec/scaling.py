"""Scales of whole numbers, which lose nothing: what doesn't fit goes to the stream, or comes from there."""

from typing import NamedTuple

import numpy as np

from glowflow.codec.reproducible import Floats
from glowflow.codec.stream import BASE, Integers, Stream

LARGEST_VALUE = 1 << 46
"""Whole numbers from -2^46 to 2^46 can be scaled: their products with a numerator fit into 64 bits."""


class OutOfRangeError(ArithmeticError):
    """A number has left the range in which whole numbers can be scaled. The images are stored without the model."""


class Ratios(NamedTuple):
    """Scales as fractions R / S of whole numbers from 1 to 2^16."""

    numerators: Integers
    denominators: Integers


def ratios(scales: Floats) -> Ratios:
    """The fractions nearest to positive scales, with 2^16 as R or as S.

    >>> ratios(np.array([0.5, 2.0]))
    Ratios(numerators=array([32768, 65536]), denominators=array([65536, 32768]))
    """
    small = scales <= 1
    with np.errstate(divide="ignore", over="ignore"):
        near = np.clip(np.rint(np.where(small, scales, 1 / scales) * BASE), 1, BASE).astype(np.int64)
    return Ratios(np.where(small, near, BASE), np.where(small, BASE, near))


def scale(x: Integers, by: Ratios, stream: Stream) -> Integers:
    """Multiply whole numbers x (n,) by R / S, each by its own; the stream changes accordingly.

    A whole number x stands for the interval from x to x + 1. The stream supplies a number r in base R, which chooses
    one of R parts of this interval: v = R x + r. The result is y = v div S, and v mod S goes to the stream in base S.
    `unscale` undoes this exactly. It costs log2 S - log2 R bits, which is what the logarithm of the derivative says.
    The modular scale transform: Zhang et al. 2021 (iFlow), section 3.2.

    Raises:
        OutOfRangeError: If a number is too large.

    >>> stream, x = Stream(lanes=3), np.array([7, -4, 1000])
    >>> half = ratios(np.full(3, 0.5))
    >>> unscale(scale(x, half, stream), half, stream), stream.is_initial()
    (array([   7,   -4, 1000]), True)
    """
    check_range(x)
    return _moved(x, by, stream, list(stream.rows(len(x))))


def unscale(y: Integers, by: Ratios, stream: Stream) -> Integers:
    """Undo `scale`, both for the numbers and for the stream."""
    return _moved(y, Ratios(by.denominators, by.numerators), stream, list(stream.rows(len(y)))[::-1])


def check_range(x: Integers) -> None:
    """Raise an OutOfRangeError if a number is too large to be scaled."""
    if len(x) and max(int(x.max()), -int(x.min())) > LARGEST_VALUE:
        raise OutOfRangeError(f"A number is above {LARGEST_VALUE}.")


def _moved(x: Integers, by: Ratios, stream: Stream, rows: list[slice]) -> Integers:
    """The numbers x R / S, row by row, so that few bits of the stream are in use at a time."""
    y = np.empty_like(x)
    for row in rows:
        numerators, denominators = by.numerators[row], by.denominators[row]
        v = numerators * x[row] + stream.pop(numerators)
        y[row], rest = np.divmod(v, denominators)
        stream.push(rest, denominators)
    return y
