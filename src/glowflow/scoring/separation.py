"""How well a score tells unusual images from usual ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

    def resampled(self, rng: np.random.Generator) -> Self:
        """As many images, or as many groups of them, chosen with replacement."""
        if self.groups is None:
            return type(self)(rng.choice(self.values, len(self.values)))
        names = np.unique(self.groups)
        chosen = rng.choice(names, len(names))
        return type(self)(np.concatenate([self.values[self.groups == name] for name in chosen]))


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
    """The share of unusual images whose score is above that of all but FALSE_ALARMS of usual ones. Arrays ascend.

    >>> detection(np.arange(100.0), np.array([90.0, 95.0, 96.0, 200.0]))
    0.5
    """
    threshold = np.quantile(usual, 1 - FALSE_ALARMS, method="higher")
    return float((other > threshold).mean())


MEASURES: Mapping[str, Callable[[Floats, Floats], float]] = {
    "auroc": auroc,
    "average_precision": average_precision,
    "detection": detection,
}


def separation(usual: Scored, other: Scored, seed: int = 0) -> dict[str, Any]:
    """Each of MEASURES, and an interval for it (`NAME_95`), which the bootstrap gives.

    >>> rng = np.random.default_rng(0)
    >>> found = separation(Scored(rng.normal(size=200)), Scored(rng.normal(size=200) + 1))
    >>> round(found["auroc"], 2), [round(end, 2) for end in found["auroc_95"]]
    (0.74, [0.69, 0.79])
    """
    rng = np.random.default_rng(seed)
    draws = [_measured(usual.resampled(rng).sorted, other.resampled(rng).sorted) for _ in range(BOOTSTRAPS)]
    found: dict[str, Any] = {}
    ends = np.percentile(draws, [LOW, HIGH], axis=0).T
    for name, value, interval in zip(MEASURES, _measured(usual.sorted, other.sorted), ends, strict=True):
        found |= {name: value, f"{name}_95": interval.tolist()}
    return found


def _measured(usual: Floats, other: Floats) -> list[float]:
    return [measure(usual, other) for measure in MEASURES.values()]
