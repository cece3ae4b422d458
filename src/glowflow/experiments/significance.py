"""What several seeds say: means, spreads, and whether a gap between two variations is more than their spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

CRITERION = (
    "A gap counts when it is larger than twice its standard error, which is that of the differences between the two "
    "variations at equal seeds, and has the same sign for every seed."
)
STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Gap:
    """By how much one variation exceeds another, seed by seed.

    Attributes:
        mean: Of the differences.
        standard_error: Of that mean; None for a single seed.
        is_unanimous: Whether every seed has the same sign.
    """

    mean: float
    standard_error: float | None
    is_unanimous: bool

    @property
    def verdict(self) -> str:
        """Whether the first variation is lower, as was claimed."""
        if self.standard_error is None:
            return "one seed: " + ("as claimed" if self.mean > 0 else "the reverse")
        if not self.is_unanimous or abs(self.mean) <= STANDARD_ERRORS * self.standard_error:
            return "not resolved"
        return "as claimed" if self.mean > 0 else "the reverse"


def gap(lower: Mapping[int, float], higher: Mapping[int, float]) -> Gap | None:
    """The gap between two variations' results by seed, over the seeds that both have; None without any.

    >>> gap({0: 1.0, 1: 1.1}, {0: 2.0, 1: 2.2}).verdict
    'as claimed'
    """
    differences = [higher[seed] - lower[seed] for seed in lower if seed in higher]
    if not differences:
        return None
    error = stdev(differences) / sqrt(len(differences)) if len(differences) > 1 else None
    unanimous = all(value > 0 for value in differences) or all(value < 0 for value in differences)
    return Gap(fmean(differences), error, unanimous)


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and standard deviation over seeds, for a table.

    >>> mean_and_spread([1.0, 2.0]), mean_and_spread([1.0]), mean_and_spread([])
    ('1.500 ± 0.707', '1.000', '-')
    """
    if not values:
        return "-"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"
