"""How far a strength of 1 goes along a direction: as far as edited pictures stay like those that the model knows."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glowflow.data import Dataset
from glowflow.evaluate import batch_size
from glowflow.images import dequantize
from glowflow.latents.directions import Directions
from glowflow.latents.fitting import truths
from glowflow.latents.usual import Usual, look
from glowflow.model import Glow
from glowflow.progress import progress

STAY = 0.95
"""The share of edited pictures that are to stay in the usual range."""
SCALES = tuple(2 ** (power / 2) for power in range(-6, 5))
"""Candidates, as multiples of a direction: from an eighth to 4."""
MOST_KNOWN, MOST_EDITED = 300, 100
"""Pictures that the usual range is taken from, and those that are edited along each direction."""


def reaching(model: Glow, dataset: Dataset, directions: Directions, scale: float | None = None) -> Directions:
    """The directions made as long as edits of strength 1 may go, with the range that usual pictures keep to.

    Pictures without an attribute are moved towards it, and those with it away from it. The longest of `SCALES` is
    chosen with which `STAY` of them stay in the usual range, since they leave it more often the further they are moved.

    Args:
        model: In its inference form.
        dataset: Pictures, at least one, that the model wasn't trained on, with the directions' attributes or labels.
        directions: As they were found.
        scale: A multiple to take in place of the choice; how many stay is measured all the same.
    """
    trial = Trial.on(model, dataset)
    plain = directions.scaled([1.0] * len(directions.names))
    with progress("How far edits go", len(plain.names), "attributes") as advance:
        scales, shares = [], []
        for name, vector in zip(plain.names, plain.vectors, strict=True):
            scales.append(scale or trial.furthest(name, vector))
            shares.append(trial.share(name, scales[-1] * vector))
            advance(1)
    about = [{**facts, "stay": share} for facts, share in zip(plain.scaled(scales).about, shares, strict=True)]
    return replace(plain.scaled(scales), about=tuple(about), usual=trial.usual)


@dataclass(frozen=True)
class Trial:
    """Pictures to try directions on.

    Attributes:
        model: In its inference form.
        images: uint8 (N, C, H, W).
        y: Their labels (N,), for a class-conditional model.
        names: Of attributes.
        has: Which picture has which attribute, bool (N, A).
        usual: The range that they keep to.
    """

    model: Glow
    images: Tensor
    y: Tensor | None
    names: tuple[str, ...]
    has: NDArray[np.bool_]
    usual: Usual

    @classmethod
    def on(cls, model: Glow, dataset: Dataset) -> Self:
        """Some pictures of a data set."""
        known = dataset.thinned(MOST_KNOWN)
        images, labels = known.batch(range(len(known)))
        y = labels if model.config.num_classes else None
        y = None if y is None else y.to(model.device)
        return cls(model, images, y, *truths(known), Usual.of(look(model, images, y)))

    def furthest(self, name: str, vector: Tensor) -> float:
        """The largest of the scales with which enough edited pictures stay usual, else the smallest there is."""
        low, high = 0, len(SCALES)
        while high - low > 1:
            middle = (low + high) // 2
            enough = self.share(name, SCALES[middle] * vector) >= STAY
            low, high = (middle, high) if enough else (low, middle)
        return SCALES[low]

    @torch.no_grad()
    def share(self, name: str, vector: Tensor) -> float:
        """The share of pictures that stay usual when an attribute is given to them, or taken from them."""
        has = torch.from_numpy(self.has[:, self.names.index(name)])
        outside = 0
        rows = _balanced(has)
        for part in rows.split(batch_size(self.model.config)):
            towards = torch.where(has[part], -1.0, 1.0)[:, None] * vector
            outside += sum(self.usual.excess(seen) > 0 for seen in look(self.model, *self._edited(part, towards)))
        return 1 - outside / len(rows)

    def _edited(self, rows: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Some of the pictures with their latents moved by shifts (B, D), and their labels."""
        y = None if self.y is None else self.y[rows.to(self.y.device)]
        x = dequantize(self.images[rows], self.model.config.num_bits).to(self.model.device)
        z = self.model.flatten(self.model(x, y)[0])
        return self.model.decode(z + shifts.to(z), y, exact=False), y


def _balanced(has: Tensor) -> Tensor:
    """Rows of some pictures with an attribute, and of some without it."""
    return torch.cat([torch.where(side)[0][: MOST_EDITED // 2] for side in (has, ~has)])
