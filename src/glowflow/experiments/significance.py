"""What several seeds say: means, spreads, and whether a gap between two variations is more than their spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

MARGIN = 0.01
"""Bits/dim that count as no difference."""
CRITERION = (
    "A gap is the mean difference between two variations at equal seeds, ± its standard error. It counts, one way or "
    "the other, when it is more than chance gives in nine cases of ten by a paired t-test over the seeds: with three, "
    "from 2.92 standard errors on. So of ten gaps between variations that are equal in truth, one would count. What "
    f"is claimed to be equal is when the whole of that range is within {MARGIN} bits/dim."
)
STANDARD_ERRORS = {2: 6.31, 3: 2.92, 4: 2.35, 5: 2.13, 6: 2.02, 7: 1.94, 8: 1.89, 9: 1.86}
"""The 95th percentile of Student's t for so many seeds; that for 9 serves for more, being a little larger."""


@dataclass(frozen=True)
class Gap:
    """By how much one variation exceeds another, seed by seed.

    Attributes:
        mean: Of the differences.
        standard_error: Of that mean; None for a single seed.
        num_seeds: How many there are.
    """

    mean: float
    standard_error: float | None
    num_seeds: int

    @property
    def verdict(self) -> str:
        """Whether the first variation is lower, as was claimed."""
        direction = "as claimed" if self.mean > 0 else "the reverse"
        if self.standard_error is None:
            return f"one seed: {direction}"
        return "not resolved" if abs(self.mean) <= self.reach else direction

    @property
    def verdict_on_equality(self) -> str:
        """Whether the two are equal, as was claimed."""
        if self.standard_error is None:
            return "one seed"
        if abs(self.mean) + self.reach <= MARGIN:
            return "equal, as claimed"
        return "not resolved" if abs(self.mean) <= self.reach else "different"

    @property
    def reach(self) -> float:
        """How far a gap may be from the true one, in nine cases of ten."""
        assert self.standard_error is not None  # noqa: S101  asked for with several seeds
        return STANDARD_ERRORS[min(self.num_seeds, 9)] * self.standard_error


def gap(lower: Mapping[int, float], higher: Mapping[int, float]) -> Gap | None:
    """The gap between two variations' results by seed, over the seeds that both have; None without any.

    >>> gap({0: 1.0, 1: 1.1, 2: 1.2}, {0: 2.0, 1: 2.2, 2: 2.3}).verdict
    'as claimed'
    """
    differences = [higher[seed] - lower[seed] for seed in lower if seed in higher]
    if not differences:
        return None
    error = stdev(differences) / sqrt(len(differences)) if len(differences) > 1 else None
    return Gap(fmean(differences), error, len(differences))


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and standard deviation over seeds, for a table.

    >>> mean_and_spread([1.0, 2.0]), mean_and_spread([1.0]), mean_and_spread([])
    ('1.500 ± 0.707', '1.000', '-')
    """
    if not values:
        return "-"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"
