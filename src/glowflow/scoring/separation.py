"""How well a score tells unusual images from usual ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from glowflow.evaluate import Floats

FALSE_ALARMS = 0.05
BOOTSTRAPS = 1000
LOW, HIGH = 2.5, 97.5
"""Percentiles of the bootstrap: the ends of an interval that holds 95 of 100."""


@dataclass(frozen=True)
class Scored:
    """A score of N images, which is higher for what is more unusual.

    Attributes:
        values: (N,). What isn't a number counts as infinite.
        groups: The cluster (N,) of each image, such as its scene; None if the images are independent.
    """

    values: Floats
    groups: NDArray[np.int64] | None = None

    @property
    def sorted(self) -> Floats:
        """The values, ascending."""
        return np.sort(np.nan_to_num(self.values, nan=np.inf, posinf=np.inf, neginf=-np.inf))

    @property
    def num_clusters(self) -> int:
        """The number of clusters. Images without clusters are as many of them."""
        return len(self._sizes)

    def resampled(self, rng: np.random.Generator) -> Self:
        """As many clusters of images, chosen with replacement."""
        chosen = rng.integers(self.num_clusters, size=self.num_clusters)
        sizes = self._sizes[chosen]
        ends = sizes.cumsum()
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        return type(self)(self._by_cluster[np.repeat(self._starts[chosen], sizes) + within])

    @cached_property
    def _by_cluster(self) -> Floats:
        """The values, each cluster's together."""
        return self.values if self.groups is None else self.values[np.argsort(self.groups, kind="stable")]

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        """The number of images in each cluster."""
        if self.groups is None:
            return np.ones(len(self.values), np.int64)
        return np.unique(self.groups, return_counts=True)[1]

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each cluster begins in `_by_cluster`."""
        return self._sizes.cumsum() - self._sizes


def auroc(usual: Floats, other: Floats) -> float:
    """The chance that an unusual image has a higher score than a usual one, from two ascending arrays of scores.

    >>> auroc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    below = np.searchsorted(usual, other, "left") + np.searchsorted(usual, other, "right")
    return float(below.mean() / (2 * len(usual)))


def average_precision(usual: Floats, other: Floats) -> float:
    """The mean share of unusual images among those that have at least an unusual image's score. Arrays ascend.

    It depends on how many there are of each kind.

    >>> average_precision(np.array([1.0]), np.array([2.0, 3.0]))
    1.0
    """
    found, alarms = (len(values) - np.searchsorted(values, other, "left") for values in (other, usual))
    return float((found / (found + alarms)).mean())


def detection(usual: Floats, other: Floats) -> float:
    """The share of unusual images that are found if at most FALSE_ALARMS of usual ones are. Arrays ascend.

    >>> detection(np.arange(100.0), np.array([90.0, 94.0, 95.0, 200.0]))
    0.5
    """
    threshold = usual[len(usual) - 1 - int(FALSE_ALARMS * len(usual) + 1e-9)]
    return float((other > threshold).mean())


MEASURES: Mapping[str, Callable[[Floats, Floats], float]] = {
    "auroc": auroc,
    "average_precision": average_precision,
    "detection": detection,
}


def separation(usual: Scored, other: Scored, seed: int = 0) -> dict[str, Any]:
    """Each of MEASURES, and an interval for it (`NAME_95`), which the bootstrap over clusters gives.

    The interval is None if the usual or the unusual images are a single cluster, which tells nothing about others.

    >>> rng = np.random.default_rng(0)
    >>> found = separation(Scored(rng.normal(size=200)), Scored(rng.normal(size=200) + 1))
    >>> round(found["auroc"], 2), [round(end, 2) for end in found["auroc_95"]]
    (0.74, [0.69, 0.79])
    """
    found: dict[str, Any] = {}
    measured, intervals = _measured(usual.sorted, other.sorted), _intervals(usual, other, seed)
    for name, value, interval in zip(MEASURES, measured, intervals, strict=True):
        found |= {name: value, f"{name}_95": interval}
    return found


def _intervals(usual: Scored, other: Scored, seed: int) -> Sequence[list[float] | None]:
    """An interval for each of MEASURES."""
    if min(usual.num_clusters, other.num_clusters) < 2:
        return [None] * len(MEASURES)
    rng = np.random.default_rng(seed)
    draws = [_measured(usual.resampled(rng).sorted, other.resampled(rng).sorted) for _ in range(BOOTSTRAPS)]
    ends: list[list[float]] = np.percentile(draws, [LOW, HIGH], axis=0).T.tolist()
    return ends


def _measured(usual: Floats, other: Floats) -> list[float]:
    return [measure(usual, other) for measure in MEASURES.values()]
