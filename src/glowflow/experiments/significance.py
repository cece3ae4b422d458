"""Means and spreads over seeds, and a test of whether two variations differ by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, exp, lgamma, log, log1p, sqrt
from statistics import fmean, stdev

MARGIN = 0.01
"""Variations that differ by less, in bits/dim, count as equal."""
CRITERION = (
    "A gap says how far the second variation is above the first, averaged over seeds, ± its standard error. "
    "A gap counts, in either direction, if a paired t-test over the seeds finds it significant at the 10% level. With "
    "three seeds it must exceed 2.92 standard errors. If all variations were equal, one gap in ten would still count. "
    f"Two variations count as equal if the 90% confidence interval of their gap lies within ±{MARGIN} bits/dim."
)
STANDARD_ERRORS = {2: 6.31, 3: 2.92, 4: 2.35, 5: 2.13, 6: 2.02, 7: 1.94, 8: 1.89, 9: 1.86}
"""The 95th percentile of Student's t by number of seeds. For more than 9, the number for 9 is used, which is larger."""


@dataclass(frozen=True)
class Gap:
    """How much higher the second variation is than the first.

    Attributes:
        mean: The mean of the differences at equal seeds.
        standard_error: The standard error of this mean; None if there is only one seed.
        num_seeds: The number of seeds.
    """

    mean: float
    standard_error: float | None
    num_seeds: int

    @property
    def verdict(self) -> str:
        """What the gap says about the claim that the first variation is lower."""
        direction = "as claimed" if self.mean > 0 else "the reverse"
        if self.standard_error is None:
            return f"one seed: {direction}"
        return "not resolved" if abs(self.mean) <= self.reach else direction

    @property
    def verdict_on_equality(self) -> str:
        """What the gap says about the claim that the two variations are equal."""
        if self.standard_error is None:
            return "one seed"
        if abs(self.mean) + self.reach <= MARGIN:
            return "equal, as claimed"
        return "not resolved" if abs(self.mean) <= self.reach else "different"

    @property
    def reach(self) -> float:
        """Half the width of the 90% confidence interval."""
        assert self.standard_error is not None  # noqa: S101  there are several seeds
        return STANDARD_ERRORS[min(self.num_seeds, 9)] * self.standard_error


def gap(lower: Mapping[int, float], higher: Mapping[int, float]) -> Gap | None:
    """The gap between two variations, each with its results by seed; None if they have no seed in common.

    >>> gap({0: 1.0, 1: 1.1, 2: 1.2}, {0: 2.0, 1: 2.2, 2: 2.3}).verdict
    'as claimed'
    """
    differences = [higher[seed] - lower[seed] for seed in lower if seed in higher]
    if not differences:
        return None
    error = stdev(differences) / sqrt(len(differences)) if len(differences) > 1 else None
    return Gap(fmean(differences), error, len(differences))


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation, as a cell of a table.

    >>> mean_and_spread([1.0, 2.0]), mean_and_spread([1.0]), mean_and_spread([])
    ('1.500 ± 0.707', '1.000', '-')
    """
    if not values:
        return "-"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"


def binomial_interval(num: int, chance: float, level: float = 0.99) -> tuple[float, float]:
    """The shares between which `level` of all results lie, if each of `num` images has a chance.

    >>> binomial_interval(2000, 0.05)
    (0.038, 0.063)
    """
    return _interval([_choose(num, k) + k * log(chance) + (num - k) * log1p(-chance) for k in range(num + 1)], level)


def calibrated_interval(num: int, usual: int, chance: float, level: float = 0.99) -> tuple[float, float]:
    """The shares of `num` images with a p-value below `chance` between which `level` of all results lie.

    Each p-value is the share of this image and of `usual` others that is at least as unusual, see
    `scoring.reference.Reference.p_value`. If all of them are of one kind, the number of images that exceed one of the
    usual ones has a beta-binomial distribution.

    >>> calibrated_interval(2000, 1000, 0.05)
    (0.0305, 0.0735)
    """
    a = ceil(chance * (usual + 1)) - 1  # usual images with such a p-value
    b = usual + 1 - a
    return _interval([_choose(num, k) + _beta(k + a, num - k + b) - _beta(a, b) for k in range(num + 1)], level)


def _interval(logs: Sequence[float], level: float) -> tuple[float, float]:
    """The shares between which `level` of the results 0 to N lie; from the logarithms of their chances (N + 1,)."""
    ends, num = [(1 - level) / 2, (1 + level) / 2], len(logs) - 1
    low, high = (sum(below < end for below in accumulate(map(exp, logs))) / num for end in ends)
    return low, high


def _choose(num: int, k: int) -> float:
    return lgamma(num + 1) - lgamma(k + 1) - lgamma(num - k + 1)


def _beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
