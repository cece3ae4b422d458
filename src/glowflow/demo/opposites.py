"""Pairs of directions that are each other's opposite, as those of two labels are."""

import torch.nn.functional as F
from torch import Tensor

from glowflow.latents import Directions

OPPOSITE = -0.99
"""Two directions are opposites if the cosine of their angle is at most this. For two labels, it's -1."""


def opposites(directions: Directions) -> dict[str, str]:
    """Map the name of each direction that has an opposite to the opposite's name."""
    cosines = _cosines(directions.vectors)
    least, nearest = cosines.min(1)
    return {
        name: directions.names[other]
        for name, cosine, other in zip(directions.names, least.tolist(), nearest.tolist(), strict=True)
        if cosine <= OPPOSITE and nearest[other] == directions.names.index(name)
    }


def _cosines(vectors: Tensor) -> Tensor:
    """The cosines (A, A) of the angles between vectors (A, D)."""
    units = F.normalize(vectors, dim=1)
    return units @ units.T
