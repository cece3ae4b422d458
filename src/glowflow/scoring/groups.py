"""How unusual a group of images is together. Of ten images the mean tells more than any of them alone."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from glowflow.evaluate import Floats
from glowflow.scoring.reference import Reference

SAMPLES = 10_000
"""Groups of usual images that a group is compared with."""
MOST = 1000
"""A larger group is compared with groups of this size, which vary more, so that its p-values aren't too small."""


def group_scores(
    members: Iterable[NDArray[np.int64]], scores: Mapping[str, Floats], reference: Reference, seed: int = 0
) -> list[dict[str, float]]:
    """The mean scores of groups, with p-values in the manner of Nalisnick et al. 2019b.

    The p-value of each image becomes a deviation: the number that a standard normal variable exceeds as rarely. The
    p-value of a group is the share of random groups of as many usual images whose mean deviation is at least as large.
    (The mean of the scores themselves would depend on the few largest ones, which the reference hardly knows.)
    Bits/dim may be too many or too few, so their p-value is two-sided.

    Args:
        members: The rows of each group's images.
        scores: `bits_per_dim` of all images (N,), and `unusual` if it's known.
        reference: What is usual.
        seed: The seed of the random groups.
    """
    total = len(reference.usual["bits_per_dim"])
    known = [name for name in ("unusual", "bits_per_dim") if name in scores]
    deviations = {name: _deviations(reference.p_value(name, scores[name]), total) for name in known}

    @lru_cache(maxsize=100)  # for groups of the same size
    def means(size: int) -> Floats:
        return _means(total, size, seed)

    return [_group(rows, scores, deviations, means(len(rows))) for rows in members]


def _group(
    rows: NDArray[np.int64], scores: Mapping[str, Floats], deviations: Mapping[str, Floats], usual: Floats
) -> dict[str, float]:
    found: dict[str, float] = {"images": len(rows)}
    if "unusual" in deviations:
        p_value = _tail(usual, deviations["unusual"][rows].mean())
        found |= {"unusual": float(scores["unusual"][rows].mean()), "p_value": p_value}
    deviation = deviations["bits_per_dim"][rows].mean()
    p_typical = min(1.0, 2 * min(_tail(usual, deviation), _tail(-usual, -deviation)))
    return found | {"bits_per_dim": float(scores["bits_per_dim"][rows].mean()), "p_typical": p_typical}


def _deviations(p_values: Floats, total: int) -> Floats:
    """The standard normal deviations (N,) of p-values, which are multiples of 1 / (1 + total)."""
    return -torch.special.ndtri(torch.from_numpy(p_values - 0.5 / (1 + total))).numpy()


def _means(total: int, size: int, seed: int) -> Floats:
    """The mean deviations (SAMPLES,) of random groups of images that are as usual as the reference.

    An image stands with equal chance at each of the 1 + `total` places among those of the reference. The reference is
    itself a sample. The error of its mean shifts all deviations of a group together.
    """
    rng, sums = np.random.default_rng(seed), np.zeros(SAMPLES)
    places = _deviations(np.arange(1.0, 2 + total) / (1 + total), total)
    for _ in range(min(size, MOST)):
        sums += rng.choice(places, SAMPLES)
    return sums / min(size, MOST) + (rng.normal(0, 1 / sqrt(total), SAMPLES) if size > 1 else 0)


def _tail(means: Floats, mean: float) -> float:
    """The share of means that are at least as large, where the group itself counts as one of them."""
    return float((1 + (means >= mean).sum()) / (1 + len(means)))
