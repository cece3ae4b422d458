"""The order of images as a function of (seed, position), so that nothing random is carried from step to step.

A position counts the images drawn since the start of a training, with repetitions. The seed and the position determine
the image. So a training that was interrupted, or moved to another machine, goes on exactly as it would have.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def shuffled(seed: int, start: int, count: int, size: int) -> NDArray[np.int64]:
    """Indices of the images at positions start, ..., start + count - 1.

    Every `size` positions are an epoch, in which each image comes once. Each epoch has another order.

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
