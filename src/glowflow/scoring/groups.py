"""How unusual a group of images is together. Of ten images the mean tells more than any of them alone."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import sqrt

import numpy as np
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
    """The mean scores of groups, with p-values (Nalisnick et al. 2019b).

    A p-value is the share of random groups of as many usual images whose mean is at least as unusual. Bits/dim may be
    too many or too few, so their p-value is two-sided.

    Args:
        members: The rows of each group's images.
        scores: `bits_per_dim` of all images (N,), and `unusual` if it's known.
        reference: What is usual.
        seed: The seed of the random groups.
    """

    @lru_cache(maxsize=100)  # for groups of the same size
    def means(name: str, size: int) -> Floats:
        return _means(reference.usual[name], size, seed)

    return [_group(rows, scores, means) for rows in members]


def _group(
    rows: NDArray[np.int64], scores: Mapping[str, Floats], means: Callable[[str, int], Floats]
) -> dict[str, float]:
    found: dict[str, float] = {"images": len(rows)}
    if "unusual" in scores:
        mean = scores["unusual"][rows].mean()
        found |= {"unusual": float(mean), "p_value": _tail(means("unusual", len(rows)), mean)}
    bits, usual = scores["bits_per_dim"][rows].mean(), means("bits_per_dim", len(rows))
    p_typical = min(1.0, 2 * min(_tail(usual, bits), _tail(-usual, -bits)))
    return found | {"bits_per_dim": float(bits), "p_typical": p_typical}


def _means(usual: Floats, size: int, seed: int) -> Floats:
    """The mean scores (SAMPLES,) of random groups of usual images.

    The mean of the usual images isn't exact, so its error is added.
    """
    rng, total = np.random.default_rng(seed), np.zeros(SAMPLES)
    for _ in range(min(size, MOST)):
        total += rng.choice(usual, SAMPLES)
    return total / min(size, MOST) + rng.normal(0, usual.std() / sqrt(len(usual)), SAMPLES)


def _tail(means: Floats, mean: float) -> float:
    """The share of means that are at least as large, where the group itself counts as one of them."""
    return float((1 + (means >= mean).sum()) / (1 + len(means)))
