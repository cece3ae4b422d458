"""The kernel distance (KID) between two sets of images, each given by its features."""

import torch
from torch import Tensor

from glowflow.judging.precision_recall import ROWS


def kid(x: Tensor, y: Tensor) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy, with the kernel k(a, b) = (a . b / d + 1)^3.

    KID = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j). It is 0 on average if both
    sets are from the same distribution, so it may be negative. Bińkowski et al. 2018, section 4.

    >>> import torch
    >>> round(kid(torch.zeros(2, 1), torch.ones(3, 1)), 3)
    7.0

    Args:
        x: Features (M, d), M at least 2.
        y: Features (N, d), N at least 2.
    """
    x, y = x.double(), y.double()
    return float(_mean_of_pairs(x) + _mean_of_pairs(y) - 2 * _sum(x, y) / (len(x) * len(y)))


def _mean_of_pairs(x: Tensor) -> Tensor:
    """Mean of the kernel over pairs of different rows."""
    of_equal_rows = (x.square().mean(1) + 1).pow(3).sum()
    return (_sum(x, x) - of_equal_rows) / (len(x) * (len(x) - 1))


def _sum(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the kernel over all pairs of a row of x and a row of y, with a part of the matrix in memory at a time."""
    return torch.stack([(part @ y.T / x.shape[1] + 1).pow(3).sum() for part in x.split(ROWS)]).sum()
