"""The stream: a stack of numbers that takes up as many bits as the numbers are worth."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from glowflow.errors import InputError

Integers: TypeAlias = NDArray[np.int64]

WORD = 16
"""Bits of a word of the tail."""
BASE = 1 << WORD
"""The largest base of a number; and the smallest head."""
AT_ONCE = 1 << 16
"""Words that are compared at a time."""


class Stream:
    """A stack of numbers in any bases from 1 to `BASE`: asymmetric numeral systems over several lanes.

    `push(values, bases)` puts on one number for each lane, each at least 0 and below its base. `pop(bases)` takes them
    off. Either undoes the other, whatever the stream holds and whatever the bases are: a number that is popped in base
    R and pushed again leaves the stream as it was. A number in base R takes log2 R bits.

    Each lane has a head, which is a number from BASE to BASE^2 - 1. A push multiplies the head by the base and adds
    the value. If the head is then too large, its low word goes to the tail, which all lanes share. A pop first takes
    this word back if the head is below BASE times the base, which is so exactly if the push has sent one away. So the
    bases needn't be powers of two. Giesen 2014 (lanes); Zhang et al. 2021 (iFlow), section 3.3 (the rule).

    A stream may begin with any content, whose words serve the first pops. A pop from an empty tail borrows a word of a
    fixed random sequence. When everything that was pushed is popped and everything that was popped is pushed, the
    stream holds the content again, and below it only what it borrowed (`initial_content`).

    >>> import numpy as np
    >>> stream = Stream(lanes=2)
    >>> stream.push(np.array([2, 5]), np.array([3, 10]))
    >>> stream.pop(np.array([3, 10]))
    array([2, 5])
    >>> stream.is_initial()
    True

    Args:
        lanes: How many numbers are pushed or popped at once, at most.
        content: What the stream begins with.
    """

    def __init__(self, lanes: int, content: bytes = b"") -> None:
        self.heads = np.full(lanes, BASE, np.int64)
        self.size = 0
        """Number of words in the tail."""
        self.borrowed = 0
        """Number of words that were borrowed."""
        self._may_borrow = True
        self._shared = np.empty(0, np.uint16)
        """Words beneath the tail, which belong to the stream that this one is a fork of."""
        self._tail = np.empty(1024, np.uint16)
        self._put(_words(content))

    @property
    def tail(self) -> NDArray[np.uint16]:
        """The words in the tail, the last one on top."""
        return self._tail[: self.size]

    @property
    def length(self) -> int:
        """The bits that the stream takes up, those that were borrowed included.

        The bits of each head are rounded down, so that the length is the same on every machine.
        """
        _, digits = np.frexp(self.heads)
        return int(digits.sum()) - (WORD + 1) * len(digits) + WORD * (len(self._shared) + self.size)

    @property
    def bits(self) -> float:
        """How much information the stream holds beyond what was borrowed, in bits."""
        return float(np.log2(self.heads / BASE).sum()) + WORD * (len(self._shared) + self.size - self.borrowed)

    def rows(self, count: int) -> Iterator[slice]:
        """Divide `count` numbers into rows that have a lane for each number."""
        return (slice(start, start + len(self.heads)) for start in range(0, count, len(self.heads)))

    def push(self, values: Integers, bases: Integers | int) -> None:
        """Put on the numbers `values` (m,), m at most the number of lanes; each is below its base."""
        if isinstance(bases, int) and bases == BASE:  # the head's low word would be the value itself
            self._put(values)
            return
        heads = self.heads[: len(values)]
        heads *= bases
        heads += values
        large = np.flatnonzero(heads >> (2 * WORD))
        if len(large):
            moved = heads[large]
            self._put(moved)
            heads[large] = moved >> WORD

    def pop(self, bases: Integers | int, count: int | None = None) -> Integers:
        """Take off a number for each of the bases (m,), or `count` numbers in the same base."""
        count = len(bases) if isinstance(bases, np.ndarray) else count or 0
        if isinstance(bases, int) and bases == BASE:
            return self._take(count)
        heads = self.heads[:count]
        small = np.flatnonzero(heads >> WORD < bases)
        if len(small):
            heads[small] = (heads[small] << WORD) | self._take(len(small))
        heads[:], values = np.divmod(heads, bases)
        return values

    def fork(self) -> "Stream":
        """Another stream with the same content, which doesn't take a copy of the tail: this one must stay as it is.

        >>> stream = Stream(lanes=1)
        >>> stream.push(np.array([7]), 10)
        >>> fork = stream.fork()
        >>> fork.push(np.array([8]), 10)
        >>> stream.adopt(fork)
        >>> stream.pop(10, 1), stream.pop(10, 1)
        (array([8]), array([7]))
        """
        fork = Stream(len(self.heads))
        fork.heads, fork._shared, fork.borrowed = self.heads.copy(), self.tail, self.borrowed
        return fork

    def adopt(self, fork: "Stream") -> None:
        """Become what a fork of this stream has become."""
        self.heads, self.size, self.borrowed = fork.heads, len(fork._shared), fork.borrowed
        self._put(fork.tail)

    def is_initial(self) -> bool:
        """True if the stream holds nothing but borrowed words."""
        return self.initial_content(0) is not None

    def initial_content(self, length: int) -> bytes | None:
        """The `length` bytes that the stream began with; None if it holds anything more than these."""
        below = self.size - (length + 1) // 2
        if below < 0 or (self.heads != BASE).any() or not _is_borrowed(self.tail[:below]):
            return None
        return self.tail[below:].astype("<u2").tobytes()[:length]

    def to_bytes(self) -> bytes:
        """Heads and tail, as little-endian numbers of 32 and of 16 bits."""
        return self.heads.astype("<u4").tobytes() + self.tail.astype("<u2").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, lanes: int) -> "Stream":
        """The stream of these bytes, which borrows nothing. InputError if `to_bytes` can't have given them."""
        if len(data) < 4 * lanes or len(data) % 2:
            raise InputError(f"The compressed images are damaged: a stream can't have {len(data)} bytes.")
        stream = cls(lanes)
        stream.heads = np.frombuffer(data[: 4 * lanes], "<u4").astype(np.int64)
        if (stream.heads < BASE).any():
            raise InputError("The compressed images are damaged: the head of a stream is too small.")
        stream._put(np.frombuffer(data[4 * lanes :], "<u2"))
        stream._may_borrow = False
        return stream

    def _put(self, words: NDArray[Any]) -> None:
        """Put the low words of some numbers on the tail."""
        size = self.size + len(words)
        if size > len(self._tail):
            self._tail = np.concatenate([self.tail, np.empty(size, np.uint16)])
        self._tail[self.size : size] = words
        self.size = size

    def _take(self, count: int) -> Integers:
        """Take words off the tail."""
        if count > self.size:
            self._fetch(count - self.size)
        self.size -= count
        return self._tail[self.size : self.size + count].astype(np.int64)

    def _fetch(self, count: int) -> None:
        """Put words beneath the tail: first those that it shares, and then borrowed ones."""
        rest = max(0, len(self._shared) - count)
        shared, self._shared = self._shared[rest:], self._shared[:rest]
        lacking = count - len(shared)
        if lacking and not self._may_borrow:
            raise InputError("The compressed images are damaged: the stream ends too early.")
        self._tail = np.concatenate([_sequence(self.borrowed, lacking)[::-1], shared, self.tail])
        self.size += count
        self.borrowed += lacking


def _words(data: bytes) -> NDArray[np.uint16]:
    """Bytes as words, the last one with a zero if there is an odd number of bytes."""
    return np.frombuffer(data + bytes(len(data) % 2), "<u2")


def _is_borrowed(words: NDArray[np.uint16]) -> bool:
    """True if words are the first ones of the fixed sequence, in reverse."""
    parts = ((start, words[::-1][start : start + AT_ONCE]) for start in range(0, len(words), AT_ONCE))
    return all(np.array_equal(part, _sequence(start, len(part))) for start, part in parts)


def _sequence(start: int, count: int) -> NDArray[np.uint16]:
    """Words `start` to `start + count` of a fixed sequence of random words."""
    generator = np.random.Philox(key=0)
    generator.advance(start // 4)  # a step of Philox gives four numbers
    numbers = generator.random_raw(start % 4 + count)
    return (np.asarray(numbers)[start % 4 :] >> np.uint64(48)).astype(np.uint16)
