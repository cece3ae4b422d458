"""How unusual a group of images is together. Of ten images the mean tells more than any of them alone."""

from collections.abc import Iterable, Mapping
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
        scores: `unusual` and `bits_per_dim` of all images (N,).
        reference: What is usual.
        seed: The seed of the random groups.
    """
    return [_group(rows, scores, reference, seed) for rows in members]


def _group(rows: NDArray[np.int64], scores: Mapping[str, Floats], reference: Reference, seed: int) -> dict[str, float]:
    unusual, bits = scores["unusual"][rows], scores["bits_per_dim"][rows]
    above = _tail(_means(reference.usual["unusual"], len(rows), seed), unusual.mean())
    means = _means(reference.usual["bits_per_dim"], len(rows), seed)
    typical = min(1.0, 2 * min(_tail(means, bits.mean()), _tail(-means, -bits.mean())))
    return {
        "images": len(rows),
        "unusual": float(unusual.mean()),
        "p_value": above,
        "bits_per_dim": float(bits.mean()),
        "p_typical": typical,
    }


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
