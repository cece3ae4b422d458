"""Directions that are one and the same, the other way round, as those of two labels are."""

import torch.nn.functional as F
from torch import Tensor

from glowflow.latents import Directions

OPPOSITE = -0.99
"""Cosine of the angle between two directions from which on they count as one. Those of two labels have -1."""


def opposites(directions: Directions) -> dict[str, str]:
    """The names of pairs that are each other's opposite, each of the other's."""
    cosines = _cosines(directions.vectors)
    least, nearest = cosines.min(1)
    return {
        name: directions.names[other]
        for name, cosine, other in zip(directions.names, least.tolist(), nearest.tolist(), strict=True)
        if cosine <= OPPOSITE and nearest[other] == directions.names.index(name)
    }


def _cosines(vectors: Tensor) -> Tensor:
    """Of the angle between each two of some vectors (A, D), (A, A)."""
    units = F.normalize(vectors, dim=1)
    return units @ units.T
