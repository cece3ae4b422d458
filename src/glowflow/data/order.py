"""Order and noise as functions of (seed, position), so that nothing random is carried from step to step.

A position counts the images drawn since the start of a training, repetitions included. Whatever happens to the image
at a position is computed from the position alone: a training that was interrupted, or spread over other machines, goes
on exactly as it would have.
"""

from enum import IntEnum
from functools import lru_cache
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WORDS_PER_BLOCK = 4
"""64-bit words that one value of Philox's counter gives."""


class Stream(IntEnum):
    """What noise is for; each purpose has a stream of its own."""

    TRAINING = 0
    INITIALIZATION = 1
    EVALUATION = 2
    AUGMENTATION = 3


def shuffled(seed: int, start: int, count: int, size: int) -> NDArray[np.int64]:
    """Indices of the images at positions start, ..., start + count - 1.

    Every `size` positions are an epoch, in which each image comes once, in an order of its own.

    >>> sorted(shuffled(seed=0, start=10, count=5, size=5).tolist())
    [0, 1, 2, 3, 4]
    """
    epochs = range(start // size, (start + count - 1) // size + 1)
    order = np.concatenate([_epoch(seed, epoch, size) for epoch in epochs])
    first = start - epochs[0] * size
    return order[first : first + count]


@lru_cache(maxsize=2)
def _epoch(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(size)


def uniform_noise(seed: int, stream: Stream, start: int, count: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform float32 numbers in [0, 1) for positions start, ..., start + count - 1: (count, *shape).

    >>> whole = uniform_noise(0, Stream.TRAINING, start=0, count=4, shape=(3,))
    >>> bool((whole[2:] == uniform_noise(0, Stream.TRAINING, start=2, count=2, shape=(3,))).all())
    True
    """
    blocks = -(-prod(shape) // (2 * WORDS_PER_BLOCK))  # a word gives two numbers
    generator = np.random.Philox(key=np.array([seed, stream], np.uint64), counter=start * blocks)
    bits = generator.random_raw(count * blocks * WORDS_PER_BLOCK).view(np.uint32).reshape(count, -1)
    numbers = (bits[:, : prod(shape)] >> 8).astype(np.float32) * np.float32(2**-24)
    return torch.from_numpy(numbers.reshape(count, *shape))
