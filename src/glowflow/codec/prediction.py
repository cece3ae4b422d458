"""Images without a model: each value is predicted from its neighbours, and takes few bits if it's near the prediction.

This is for images that a model makes larger, and for those at the beginning of a stream, whose bits the following ones
then use.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from glowflow.codec.pieces import Pieces
from glowflow.codec.reproducible import log
from glowflow.codec.stream import WORD, Integers, Stream
from glowflow.shapes import Shape

SPREADS = (0.05, 0.2, 0.5, 1.0, 2.5, 6.0, 16.0, 400.0)
"""Of the distributions: a value this far from its prediction is half as probable as one without a distance."""
CLASSES = 8
"""Values are divided into classes by how much their neighbours differ."""
FINE = 8
"""Costs are multiples of 2^-8 bits."""


class Predicted:
    """Images with the distributions that take the fewest bits: `push` puts them on a stream, and `pop` takes them off.

    A value is predicted to be what the plane through its neighbours above and on the left has there, limited to the
    range of these two. Weinberger et al. 2000 (LOCO-I). What the channel before has beyond its own prediction is added.
    Values are divided into classes by the differences between these neighbours. For each class, the images name one of
    several distributions of the distance from the prediction.

    >>> levels, stream = np.arange(24).reshape(2, 3, 2, 2), Stream(lanes=4)
    >>> Predicted(levels, num_bits=8).push(stream)
    >>> np.array_equal(pop(2, (3, 2, 2), 8, stream), levels), stream.is_initial()
    (True, True)

    Args:
        levels: (B, C, H, W), from 0 to 2^n - 1.
        num_bits: n.
    """

    def __init__(self, levels: Integers, num_bits: int) -> None:
        self.num_bits, size = num_bits, 2**num_bits
        framed = np.pad(levels, ((0, 0), (0, 0), (1, 0), (1, 0)))
        near = framed[:, :, :-1, 1:], framed[:, :, 1:, :-1], framed[:, :, :-1, :-1]
        beyond = np.zeros_like(levels)
        beyond[:, 1:] = (levels - _plane(*near))[:, :-1]
        self.distances = (levels - _predicted(*near, beyond, size)) % size
        self.classes = _class(*near, beyond)
        counts = np.bincount((self.classes * size + self.distances).ravel(), minlength=CLASSES * size)
        costs = counts.reshape(CLASSES, size) @ _costs(num_bits)
        self.chosen = costs.argmin(1)
        self.length = int(costs.min(1).sum() >> FINE) + CLASSES * (len(SPREADS).bit_length() - 1)
        """How many bits the images take."""

    def push(self, stream: Stream) -> None:
        """Put the images on a stream."""
        shape, distributions = self.distances.shape[1:], _distributions(self.num_bits)
        for c, i, j in list(_steps(shape))[::-1]:
            which, distances = self.chosen[self.classes[:, c, i, j]], self.distances[:, c, i, j]
            distributions.undraw((which * 2**self.num_bits + distances).ravel(), stream)
        for part in stream.rows(CLASSES):
            stream.push(self.chosen[part], len(SPREADS))


def pop(count: int, shape: Shape, num_bits: int, stream: Stream) -> Integers:
    """The levels (count, C, H, W) of images that `Predicted.push` has put on a stream."""
    chosen, size, distributions = np.empty(CLASSES, np.int64), 2**num_bits, _distributions(num_bits)
    for part in list(stream.rows(CLASSES))[::-1]:
        chosen[part] = stream.pop(len(SPREADS), len(chosen[part]))
    channels, height, width = shape
    framed = np.zeros((count, channels, height + 1, width + 1), np.int64)
    beyond = np.zeros((), np.int64)
    for c, i, j in _steps(shape):
        image = framed[:, c]
        near = image[:, i, j + 1], image[:, i + 1, j], image[:, i, j]
        beyond = beyond if c else np.zeros_like(near[0])
        which = chosen[_class(*near, beyond)]
        distances = distributions.draw(which.ravel(), stream).reshape(which.shape) - which * size
        image[:, i + 1, j + 1] = (_predicted(*near, beyond, size) + distances) % size
        beyond = image[:, i + 1, j + 1] - _plane(*near)
    return framed[:, :, 1:, 1:]


def _steps(shape: Shape) -> Iterator[tuple[int, Integers, Integers]]:
    """Channel, rows and columns of the values that are coded at the same time: diagonal by diagonal."""
    channels, height, width = shape
    for total in range(height + width - 1):
        i = np.arange(max(0, total - width + 1), min(total, height - 1) + 1)
        for c in range(channels):
            yield c, i, total - i


def _plane(above: Integers, left: Integers, corner: Integers) -> Integers:
    """What the plane through three neighbours has at a value, limited to the range of two of them."""
    lowest, highest = np.minimum(above, left), np.maximum(above, left)
    return np.minimum(np.maximum(above + left - corner, lowest), highest)


def _predicted(above: Integers, left: Integers, corner: Integers, beyond: Integers, size: int) -> Integers:
    return np.minimum(np.maximum(_plane(above, left, corner) + beyond, 0), size - 1)


def _class(above: Integers, left: Integers, corner: Integers, beyond: Integers) -> Integers:
    """The number of binary digits of how much the neighbours differ."""
    _, digits = np.frexp(abs(above - corner) + abs(left - corner) + abs(beyond))
    return np.minimum(digits, CLASSES - 1).astype(np.int64)


@cache
def _distributions(num_bits: int) -> Pieces:
    """Number d of distribution k is k 2^n + d, which stands for the distance d from the prediction, modulo 2^n."""
    size = 2**num_bits
    distance = np.minimum(np.arange(size), size - np.arange(size))
    masses = [1 / (1 + np.square(distance / spread)) for spread in SPREADS]
    levels = np.repeat(np.arange(len(SPREADS)), size)
    return Pieces(np.arange(len(levels) + 1), levels, np.concatenate(masses))


@cache
def _costs(num_bits: int) -> Integers:
    """The bits of each distance in each distribution, (2^n, distributions), in units of 2^-8."""
    bits = WORD - log(_distributions(num_bits).frequencies.astype(float)) / log(np.array([2.0]))
    return np.rint(bits * (1 << FINE)).astype(np.int64).reshape(len(SPREADS), -1).T
