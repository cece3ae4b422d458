"""A look at a data set: some of its images, and what is known about the others without reading them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import Dataset, Split


@dataclass(frozen=True)
class Glimpse:
    """Some images of a split, spread over it.

    Attributes:
        shown: the N images.
        counts: the number of images in each split. Before preparation this includes unreadable files.
        labels: int64, the labels of all images of the split, or only of the N shown; None if there are none.
        attributes: bool (*, A), those of the same images; None if there are none.
        is_prepared: True if all images have been read and are in the cache.
    """

    shown: Dataset
    counts: Mapping[Split, int]
    labels: NDArray[np.int64] | None = None
    attributes: NDArray[np.bool_] | None = None
    is_prepared: bool = False


def spread(count: int, num: int) -> NDArray[np.int64]:
    """At most `num` evenly spaced numbers from 0 to `count` - 1.

    >>> spread(5, 3).tolist(), spread(2, 3).tolist()
    ([0, 2, 4], [0, 1])
    """
    return np.linspace(0, count - 1, min(num, count)).round().astype(np.int64)


def of_prepared(splits: Mapping[Split, Dataset], split: Split, num: int) -> Glimpse:
    """At most `num` images of a split of a prepared data set."""
    dataset = splits[split]
    counts = {name: len(part) for name, part in splits.items()}
    shown = dataset.chosen(spread(len(dataset), num))
    return Glimpse(shown, counts, dataset.labels, dataset.attributes, is_prepared=True)
