"""A Gaussian that is fitted to few examples of many numbers, and how far other examples are from it."""

from dataclasses import dataclass
from math import inf
from typing import Self

import numpy as np

from glowflow.evaluate import Floats

FOLDS = 100
"""The number of parts into which examples are divided. Each example is left out of a Gaussian with its part."""
LEAST_SHRINKAGE = 1e-3
SMALLEST_SHARE = 0.01
"""The smallest deviation that a number can have, as a share of the typical deviation."""


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian of P numbers. Its correlations are shrunk towards 0 (Schäfer & Strimmer 2005).

    The shrinkage is the one with the least expected error. It's strong if there are few examples for the many
    correlations, so the distances make sense even with fewer examples than numbers.

    >>> gaussian, distances = Gaussian.fit(np.random.default_rng(0).normal(size=(500, 3)))
    >>> bool(abs(np.mean(np.exp(distances)) - 3) < 0.3)
    True

    Attributes:
        mean: (P,).
        deviation: The standard deviations, (P,).
        whitening: It turns standardised numbers into independent ones, (P, P), lower triangular.
    """

    mean: Floats
    deviation: Floats
    whitening: Floats

    @classmethod
    def fit(cls, values: Floats) -> tuple[Self, Floats]:
        """The Gaussian of some examples (N, P), and the distance (N,) of each from a Gaussian of others.

        An example's distance from a Gaussian that was fitted to it would be too short. So the examples are divided into
        FOLDS parts, and the distance is that from the Gaussian of all other parts. It has the same distribution as the
        distance of a new example.
        """
        left_out, folds = np.empty(len(values)), min(FOLDS, len(values))
        for first in range(folds):
            part = np.arange(first, len(values), folds)
            left_out[part] = cls.of(np.delete(values, part, axis=0)).distance(values[part])
        return cls.of(values), left_out

    @classmethod
    def of(cls, values: Floats) -> Self:
        """The Gaussian of some examples (N, P)."""
        mean, deviation = values.mean(0), _deviation(values)
        standard = (values - mean) / deviation
        correlation, shrinkage = standard.T @ standard / len(values), _shrinkage(standard)
        shrunk = (1 - shrinkage) * correlation + shrinkage * np.eye(values.shape[1])
        return cls(mean, deviation, np.linalg.inv(np.linalg.cholesky(shrunk)))

    def distance(self, values: Floats) -> Floats:
        """The logarithm of the squared Mahalanobis distance (N,) of some examples (N, P); infinite if one isn't finite.

        >>> Gaussian(np.zeros(1), np.ones(1), np.eye(1)).distance(np.array([[1.0], [np.nan]]))
        array([ 0., inf])
        """
        return _log(self._squared(values))

    def _squared(self, values: Floats) -> Floats:
        with np.errstate(invalid="ignore", over="ignore"):
            return (((values - self.mean) / self.deviation @ self.whitening.T) ** 2).sum(1)


def _log(squared: Floats) -> Floats:
    return np.where(np.isfinite(squared), np.log(np.maximum(squared, np.finfo(np.float64).tiny)), inf)


def _deviation(values: Floats) -> Floats:
    """The standard deviations (P,), none of which is far below the median of those that aren't 0."""
    deviation = values.std(0)
    typical = float(np.median(deviation[deviation > 0])) if deviation.any() else 0.0
    return np.maximum(deviation, SMALLEST_SHARE * typical or 1.0)


def _shrinkage(standard: Floats) -> float:
    """How much to shrink the correlations of standardised examples (N, P): their errors' share in their squares."""
    num, count = standard.shape
    correlation, squares = standard.T @ standard / num, standard**2
    errors = (squares.T @ squares / num - correlation**2) / num
    others = ~np.eye(count, dtype=bool)
    total = (correlation[others] ** 2).sum()
    return float(np.clip(errors[others].sum() / total if total else 1.0, LEAST_SHRINKAGE, 1.0))
