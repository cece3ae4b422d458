"""Distributions of whole numbers that are constant on each of several pieces."""

import numpy as np

from glowflow.codec.product import FRACTION, UNIT
from glowflow.codec.reproducible import Floats, exp, log, sigmoid, sums
from glowflow.codec.scaling import LARGEST_VALUE
from glowflow.codec.stream import BASE, Integers, Stream
from glowflow.errors import InputError

NORMAL_WIDTH = UNIT // 32
"""Width of a piece of the normal distribution: 1/32 of its standard deviation."""
NORMAL_REACH = 4 * UNIT
"""The normal distribution has such pieces up to four standard deviations, and wider ones beyond."""
LOGIT_WIDTH = UNIT // 16
"""Largest width of a piece of logits. The logarithm of the density changes by no more than 1/16 across it."""


class Pieces:
    """For each level v of a pixel, a distribution of whole numbers that belong to v alone.

    `draw` replaces v by a number that the stream chooses. `undraw` finds v, which the number tells, and gives the
    choice back to the stream. With a single level, `undraw` therefore codes numbers of a known distribution.

    Args:
        starts: The first number of each piece, and the end of the last one, (N + 1,), increasing.
        levels: The level of each piece, (N,): 0, ..., 0, 1, ..., 1, and so on.
        masses: How probable each piece is, (N,), up to a factor for each level. They become frequencies, which are at
            least 1 and add up to 2^16 for each level.

    >>> import numpy as np
    >>> stream, x = Stream(lanes=4), np.array([0, 3, 3, 1])
    >>> pieces = uniform_pieces(num_bits=2)
    >>> pieces.undraw(pieces.draw(x, stream), stream), stream.is_initial()
    (array([0, 3, 3, 1]), True)
    """

    def __init__(self, starts: Integers, levels: Integers, masses: Floats) -> None:
        starts, self.levels = starts.astype(np.int64), levels.astype(np.int64)  # on some systems, int32 is usual
        self.starts, self.widths = starts[:-1], np.diff(starts)
        each_level = [masses[levels == level] for level in range(levels[-1] + 1)]
        self.frequencies = np.concatenate([_frequencies(masses) for masses in each_level])
        self._places = np.cumsum(self.frequencies) - self.frequencies
        """The first place of each piece. Level v has the places from v 2^16."""

    def draw(self, v: Integers, stream: Stream) -> Integers:
        """Replace levels v (n,) by numbers (n,)."""
        y = np.empty_like(v)
        for row in stream.rows(len(v)):
            place = v[row] * BASE + stream.pop(BASE, len(v[row]))
            piece = np.searchsorted(self._places, place, "right") - 1
            stream.push(place - self._places[piece], self.frequencies[piece])
            y[row] = self.starts[piece] + _popped(self.widths[piece], stream)
        return y

    def undraw(self, y: Integers, stream: Stream) -> Integers:
        """Undo `draw`, both for the numbers and for the stream."""
        v = np.empty_like(y)
        for row in list(stream.rows(len(y)))[::-1]:
            piece = np.searchsorted(self.starts, y[row], "right") - 1
            _push(y[row] - self.starts[piece], self.widths[piece], stream)
            place = self._places[piece] + stream.pop(self.frequencies[piece])
            v[row] = self.levels[piece]
            stream.push(place % BASE, BASE)
        return v


def normal_pieces() -> Pieces:
    """The standard normal distribution, of one level.

    Beyond four standard deviations there are a few wide pieces, each with the smallest frequency. A number there takes
    about as many bits as it has digits, fewer than under the normal distribution.
    """
    inner = np.arange(-NORMAL_REACH, NORMAL_REACH + 1, NORMAL_WIDTH)
    outer = np.array([2 * NORMAL_REACH, 64 * NORMAL_REACH, 2 * LARGEST_VALUE])
    starts = np.concatenate([-outer[::-1], inner, outer])
    masses = np.zeros(len(starts) - 1)
    masses[len(outer) : -len(outer)] = exp(-0.5 * np.square((inner[:-1] + NORMAL_WIDTH // 2) / UNIT))
    return Pieces(starts, np.zeros(len(masses), np.int64), masses)


def uniform_pieces(num_bits: int) -> Pieces:
    """The positions x in [-1/2, 1/2) of a pixel of n bits, where level v has the interval from v / 2^n - 1/2."""
    starts = (np.arange(2**num_bits + 1) << (FRACTION - num_bits)) - UNIT // 2
    return Pieces(starts, np.arange(2**num_bits), np.ones(2**num_bits))


def logit_pieces(num_bits: int, slope: float) -> Pieces:
    """The logits y = ln(p / (1 - p)), p = 1/2 + slope x, of these positions."""
    p = 0.5 + slope * (np.arange(2**num_bits + 1) / 2**num_bits - 0.5)
    bounds = np.rint(UNIT * log(p / (1 - p))).astype(np.int64)
    if (np.diff(bounds) < 1).any():
        raise InputError("The model's logit has so large a margin that values have no room: it can't code images.")
    between = np.arange(bounds[0] // LOGIT_WIDTH + 1, bounds[-1] // LOGIT_WIDTH + 1) * LOGIT_WIDTH
    starts = np.unique(np.concatenate([bounds, between]))
    levels = np.searchsorted(bounds, starts[:-1], "right") - 1
    return Pieces(starts, levels, np.diff(sigmoid(starts / UNIT)))


def _frequencies(masses: Floats) -> Integers:
    """Whole numbers from 1, in proportion to the masses, which add up to 2^16."""
    frequencies = np.maximum(np.rint(masses / sums(masses) * BASE), 1).astype(np.int64)
    while excess := int(frequencies.sum()) - BASE:  # the largest ones give it, and none gives more than a half
        largest = np.argmax(frequencies)
        frequencies[largest] -= min(excess, int(frequencies[largest]) // 2)
    return frequencies


def _bases(widths: Integers) -> list[Integers]:
    """The bases of the digits of numbers below these widths, lowest digit first."""
    bases = []
    while (widths > BASE).any():
        bases.append(np.minimum(widths, BASE))
        widths = -(-widths // BASE)
    return [*bases, widths]


def _push(values: Integers, widths: Integers, stream: Stream) -> None:
    for bases in _bases(widths):
        stream.push(values % BASE, bases)
        values = values // BASE


def _popped(widths: Integers, stream: Stream) -> Integers:
    values = np.zeros_like(widths)
    for bases in reversed(_bases(widths)):
        values = values * BASE + stream.pop(bases)
    return values
