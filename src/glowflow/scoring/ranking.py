"""The order of images, from the most unusual one on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glowflow.evaluate import Floats


def most_unusual(scores: Sequence[Floats], num: int | None = None) -> NDArray[np.int64]:
    """Where the images with the highest scores are: the number of the data set, and the row in it, (num, 2).

    What isn't a number counts as the highest score.

    >>> most_unusual([np.array([1.0, 3.0]), np.array([2.0])])
    array([[0, 1],
           [1, 0],
           [0, 0]])

    Args:
        scores: For each data set, the score (N,) of each image.
        num: At most how many images; None for all.
    """
    together = np.concatenate([np.empty(0), *scores])
    parts = np.repeat(np.arange(len(scores)), [len(values) for values in scores])
    rows = np.concatenate([np.empty(0, np.int64), *(np.arange(len(values)) for values in scores)])
    order = np.argsort(-np.nan_to_num(together, nan=np.inf), kind="stable")[:num]
    return np.stack([parts[order], rows[order]], axis=1)
