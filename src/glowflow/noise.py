"""Random numbers for images. Those of one image don't depend on how many other images there are.

In training they are a function of (seed, position), where a position counts the images drawn since the start. So
nothing random is carried from step to step. Latents are drawn one after the other from a generator of torch.
"""

from enum import IntEnum
from math import prod

import numpy as np
import torch
from torch import Tensor

WORDS_PER_BLOCK = 4
"""How many 64-bit words Philox gives for one value of its counter."""


class Stream(IntEnum):
    """The purpose of noise. Each purpose has an independent stream."""

    TRAINING = 0
    INITIALIZATION = 1
    EVALUATION = 2
    AUGMENTATION = 3


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


def normal(
    num: int,
    size: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Standard normal numbers (num, size) on a device.

    >>> two, three = (normal(num, 12, torch.Generator().manual_seed(0)) for num in (2, 3))
    >>> torch.equal(two, three[:2])
    True

    Args:
        num: How many images.
        size: How many numbers for each image.
        generator: It draws the numbers on its own device; by default it's the global one of `device`.
        device: The device of the result.
        dtype: The type of the result.
    """
    numbers = torch.empty(num, size, device=generator.device if generator else device, dtype=dtype)
    for row in numbers:  # one by one, because torch draws the last few numbers of a tensor in another way
        row.normal_(generator=generator)
    return numbers.to(device)


def uniform(num: int, size: int, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """Uniform numbers (num, size), float32, in [0, 1); see `normal`."""
    numbers = torch.empty(num, size, device=generator.device)
    for row in numbers:
        row.uniform_(generator=generator)
    return numbers.to(device)
