"""Improved precision and recall of samples, each image given by its features."""

import torch
from torch import Tensor

from glowflow.errors import InputError

NEIGHBOURS = 5
ROWS = 1000
"""The number of rows of distances in memory at a time."""


def precision_recall(samples: Tensor, images: Tensor, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """The share of samples that are among real images, and the share of real images that are among samples.

    A point is among others if it is in the ball around at least one of them. The ball of a point reaches to its k-th
    nearest neighbour in its own set. With more points, balls are smaller, so only figures of equally many points can be
    compared. Kynkäänniemi et al. 2019.

    >>> points = torch.arange(10.0)[:, None]
    >>> precision_recall(points[:5], points, neighbours=1)
    (1.0, 0.6)

    Args:
        samples: Features (M, d).
        images: Features (N, d) of real images.
        neighbours: k.

    Raises:
        InputError: If there are not more samples, or images, than neighbours.
    """
    if min(len(samples), len(images)) <= neighbours:
        raise InputError(
            f"Precision and recall with {neighbours} neighbours need at least {neighbours + 1} samples and as many "
            f"images; there are {len(samples)} samples and {len(images)} images."
        )
    return _share_among(samples, images, neighbours), _share_among(images, samples, neighbours)


def _share_among(points: Tensor, others: Tensor, neighbours: int) -> float:
    """The share of the points (M, d) that are in the ball around at least one of the others (N, d)."""
    nearest = [_distances(part, others).kthvalue(neighbours + 1).values for part in others.split(ROWS)]  # 1st: itself
    radii = torch.cat(nearest)
    inside = [(_distances(part, others) <= radii).any(1) for part in points.split(ROWS)]
    return float(torch.cat(inside).double().mean())


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Distances (M, N) without a matrix product, which gives equal points a distance above 0."""
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
