"""How far a strength of 1 goes along a direction: as far as edited pictures stay like those that the model knows."""

from dataclasses import asdict, dataclass, replace
from statistics import fmean, median
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
from glowflow.latents.usual import Seen, Usual, look
from glowflow.model import Glow
from glowflow.progress import progress

STAY = 0.9
"""The share of edited pictures that are to stay in the usual range."""
MIDDLE_RISE = 0.4
"""How far the bits/dim of half of the edited pictures may rise, at most: 1 is from the middle of the usual range to its
end. A rise is measured against the same picture before the edit, so it tells more of a few pictures than the range."""
SCALES = tuple(2 ** (power / 4) for power in range(-12, 9))
"""Candidates, as multiples of a direction: from an eighth to 4."""
MOST_KNOWN, MOST_EDITED = 300, 100
"""Pictures that the usual range is taken from, and those that are edited along each direction."""


def reaching(
    model: Glow, dataset: Dataset, directions: Directions, scale: float | None = None, known: Usual | None = None
) -> Directions:
    """The directions made as long as edits of strength 1 may go, with the range that usual pictures keep to.

    Pictures without an attribute are moved towards it, and those with it away from it. The longest of `SCALES` is
    chosen with which bits/dim rise moderately, enough pictures stay in the usual range, and none falls apart. The
    search takes it that all of this only gets worse with the distance. What becomes of pictures that are moved further
    in their own label is measured too, but doesn't limit the choice: a dark picture may have no room to become darker.

    >>> from glowflow import Glow, GlowConfig, load
    >>> from glowflow.latents import fit
    >>> model, digits = Glow(GlowConfig((1, 28, 28), steps=1, width=8)).freeze(), load("digits", (1, 28, 28), "test")
    >>> directions = reaching(model, digits, fit(model, digits, names=("3",)), scale=0.5)
    >>> directions.are_tried, directions.about[0]["scale"]
    (True, 0.5)

    Args:
        model: In its inference form.
        dataset: Pictures, at least one, that the model wasn't trained on, with the directions' attributes or labels.
        directions: As they were found.
        scale: A multiple to take in place of the choice; what becomes of edited pictures is measured all the same.
        known: The range that the model's training found. It holds where the pictures' own range reaches further, as
            that of pictures unlike those of the training does.
    """
    trial = Trial.on(model, dataset, known)
    plain = directions.scaled([1.0] * len(directions.names))
    with progress("How far edits go", len(plain.names), "attributes") as advance:
        scales, outcomes = [], []
        for name, vector in zip(plain.names, plain.vectors, strict=True):
            scales.append(scale or trial.furthest(name, vector))
            outcomes.append(trial.outcome(name, scales[-1] * vector))
            advance(1)
    scaled = plain.scaled(scales)
    about = ({**facts, "tried": asdict(outcome)} for facts, outcome in zip(scaled.about, outcomes, strict=True))
    return replace(scaled, about=tuple(about), usual=trial.usual)


@dataclass(frozen=True)
class Outcome:
    """What becomes of pictures when they are edited.

    Attributes:
        stay: The share that doesn't leave the usual range when moved towards the other label.
        fall: The share that falls apart on this way.
        rise: How far bits/dim rise on this way, the median: 1 is from the middle of the usual range to its end.
        further: The share that falls apart when moved the other way, further in the label that it has.
    """

    stay: float
    fall: float
    rise: float
    further: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether edits may go so far."""
        return self.stay >= STAY and not self.fall and self.rise <= MIDDLE_RISE


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
        before: What is measured of them, N items.
    """

    model: Glow
    images: Tensor
    y: Tensor | None
    names: tuple[str, ...]
    has: NDArray[np.bool_]
    usual: Usual
    before: list[Seen]

    @classmethod
    def on(cls, model: Glow, dataset: Dataset, range_of_training: Usual | None = None) -> Self:
        """Some pictures of a data set."""
        known = dataset.thinned(MOST_KNOWN)
        images, labels = known.batch(range(len(known)))
        y = labels if model.config.num_classes else None
        y = None if y is None else y.to(model.device)
        before = look(model, images, y)
        usual = Usual.of(before)
        if range_of_training is not None and range_of_training.highest < usual.highest:
            usual = replace(range_of_training, extremes=usual.extremes)
        return cls(model, images, y, *truths(known), usual, before)

    def furthest(self, name: str, vector: Tensor) -> float:
        """The largest of the scales with a good outcome, else the smallest there is."""
        low, high = 0, len(SCALES)
        while high - low > 1:
            middle = (low + high) // 2
            is_good = self.outcome(name, SCALES[middle] * vector).is_good
            low, high = (middle, high) if is_good else (low, middle)
        return SCALES[low]

    @torch.no_grad()
    def outcome(self, name: str, vector: Tensor) -> Outcome:
        """What becomes of pictures when an attribute is given to them by adding a vector (D,), or taken from them."""
        has = torch.from_numpy(self.has[:, self.names.index(name)])
        rows = _balanced(has)
        towards = torch.where(has, -1.0, 1.0)[:, None]
        other, further = (self._pairs(rows, sign * towards, vector) for sign in (1, -1))
        return Outcome(
            stay=1 - fmean(self.usual.left(*pair) for pair in other),
            fall=fmean(self.usual.fell(*pair) for pair in other),
            rise=median(self.usual.rise(*pair) for pair in other),
            further=fmean(self.usual.fell(*pair) for pair in further),
        )

    def _pairs(self, rows: Tensor, strengths: Tensor, vector: Tensor) -> list[tuple[Seen, Seen]]:
        """What is measured of some pictures before and after each is moved by its strength (N, 1) times a vector."""
        after: list[Seen] = []
        for part in rows.split(batch_size(self.model.config)):
            after += look(self.model, *self._edited(part, strengths[part] * vector))
        return list(zip([self.before[row] for row in rows.tolist()], after, strict=True))

    def _edited(self, rows: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Some of the pictures with their latents moved by shifts (B, D), and their labels."""
        y = None if self.y is None else self.y[rows.to(self.y.device)]
        x = dequantize(self.images[rows], self.model.config.num_bits).to(self.model.device)
        z = self.model.flatten(self.model(x, y)[0])
        return self.model.decode(z + shifts.to(z), y, exact=False), y


def _balanced(has: Tensor) -> Tensor:
    """Rows of some pictures with an attribute, and of some without it."""
    return torch.cat([torch.where(side)[0][: MOST_EDITED // 2] for side in (has, ~has)])
