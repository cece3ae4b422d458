"""The lengths of directions: edits of strength 1 go as far as pictures stay like those that the model knows."""

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
"""The share of edited pictures that must stay in the usual range."""
MIDDLE_RISE = 0.4
"""The largest median rise of bits/dim in an edit, where 1 is from the middle of the usual range to its end. A rise is
measured against the same picture before the edit, so it needs fewer pictures than the range."""
SCALES = tuple(2 ** (power / 4) for power in range(-12, 9))
"""Multiples of a direction to choose from."""
STRENGTHS = (1.0, 0.75, 0.5, 0.25, 0.1)
"""Strengths that the usual range of a direction may reach to."""
MOST_KNOWN, MOST_EDITED = 300, 100
"""The most pictures that the usual range is measured on, and the most that are edited along each direction."""


def reaching(
    model: Glow, dataset: Dataset, directions: Directions, scale: float | None = None, known: Usual | None = None
) -> Directions:
    """The directions, made as long as edits of strength 1 may go, and the range of usual pictures.

    Pictures without an attribute are moved towards it, and pictures with it away from it. The largest of `SCALES` is
    chosen for which bits/dim rise moderately, enough pictures stay in the usual range, and none falls apart. The
    search assumes that all of this gets worse with distance. Pictures are also moved the other way, but the outcome
    doesn't limit the choice: a dark picture may have no room to become darker.

    >>> from glowflow import Glow, GlowConfig, load
    >>> from glowflow.latents import fit
    >>> model, digits = Glow(GlowConfig((1, 28, 28), steps=1, width=8)).freeze(), load("digits", (1, 28, 28), "test")
    >>> directions = reaching(model, digits, fit(model, digits, names=("3",)), scale=0.5)
    >>> directions.are_tried, directions.about[0]["scale"]
    (True, 0.5)

    Args:
        model: A frozen model.
        dataset: One or more pictures that the model wasn't trained on, with the directions' attributes or labels.
        directions: The directions, of any lengths.
        scale: A multiple to use instead of choosing one. The outcome is measured all the same.
        known: The range that the model's training stored. It is used if the pictures' own range reaches further,
            because pictures unlike those of the training take more bits.
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
    return trial.ranged(replace(scaled, about=tuple(about)))


def ranged(model: Glow, dataset: Dataset, directions: Directions, known: Usual | None = None) -> Directions:
    """The directions as long as they are, each with the `range` of strengths at which most edited pictures stay usual.

    The range is [least, most] among the facts about a direction. Pictures with the attribute and without it are edited,
    so it holds for any picture. The arguments are those of `reaching`.

    >>> from glowflow import Glow, GlowConfig, load
    >>> from glowflow.latents import fit
    >>> model, digits = Glow(GlowConfig((1, 28, 28), steps=1, width=8)).freeze(), load("digits", (1, 28, 28), "test")
    >>> ranged(model, digits, fit(model, digits, names=("3",))).about[0]["range"]
    [-1.0, 1.0]
    """
    return Trial.on(model, dataset, known).ranged(directions)


@dataclass(frozen=True)
class Outcome:
    """The outcome of editing pictures: an attribute is given to those without it, and taken from those with it.

    Attributes:
        stay: The share that doesn't leave the usual range.
        fall: The share that falls apart.
        rise: The median rise of bits/dim, where 1 is from the middle of the usual range to its end.
        further: The share that falls apart when moved the other way, for instance when a dark picture is darkened.
    """

    stay: float
    fall: float
    rise: float
    further: float = 0.0

    @property
    def is_good(self) -> bool:
        """True if edits may go so far."""
        return self.stay >= STAY and not self.fall and self.rise <= MIDDLE_RISE


@dataclass(frozen=True)
class Trial:
    """Pictures to try directions on.

    Attributes:
        model: A frozen model.
        images: uint8 (N, C, H, W).
        y: Their labels (N,), for a class-conditional model.
        names: The names of the A attributes.
        has: Which picture has which attribute, bool (N, A).
        usual: The range of usual pictures.
        before: The measurements of each picture before any edit.
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
        """A trial on some pictures of a data set."""
        known = dataset.thinned(MOST_KNOWN)
        images, labels = known.batch(range(len(known)))
        y = None if labels is None or not model.config.num_classes else labels.to(model.device)
        before = look(model, images, y)
        usual = Usual.of(before)
        if range_of_training is not None and range_of_training.highest < usual.highest:
            usual = replace(range_of_training, extremes=usual.extremes)
        return cls(model, images, y, *truths(known), usual, before)

    def furthest(self, name: str, vector: Tensor) -> float:
        """The largest scale with a good outcome, or the smallest scale if none has one."""
        low, high = 0, len(SCALES)
        while high - low > 1:
            middle = (low + high) // 2
            is_good = self.outcome(name, SCALES[middle] * vector).is_good
            low, high = (middle, high) if is_good else (low, middle)
        return SCALES[low]

    @torch.no_grad()
    def outcome(self, name: str, vector: Tensor) -> Outcome:
        """The outcome when adding a vector (D,) gives pictures an attribute, and subtracting it takes it from them."""
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

    def ranged(self, directions: Directions) -> Directions:
        """The directions, each with its range; see the function `ranged`."""
        about = []
        with progress("Where edits stay usual", len(directions.names), "attributes") as advance:
            for name, vector, facts in zip(directions.names, directions.vectors, directions.about, strict=True):
                about.append({**facts, "range": [-self._reach(name, -vector), self._reach(name, vector)]})
                advance(1)
        return replace(directions, about=tuple(about), usual=self.usual)

    @torch.no_grad()
    def _reach(self, name: str, vector: Tensor) -> float:
        """The largest of `STRENGTHS` at which enough pictures stay usual when they are moved; 0 if there is none."""
        rows = _balanced(torch.from_numpy(self.has[:, self.names.index(name)]))
        for strength in STRENGTHS:
            pairs = self._pairs(rows, torch.full((len(self.images), 1), strength), vector)
            if fmean(not self.usual.left(*pair) for pair in pairs) >= STAY:
                return strength
        return 0.0

    def _pairs(self, rows: Tensor, strengths: Tensor, vector: Tensor) -> list[tuple[Seen, Seen]]:
        """Measurements of some pictures, before and after each is moved by its strength (N, 1) times a vector."""
        after: list[Seen] = []
        for part in rows.split(batch_size(self.model.config)):
            after += look(self.model, *self._edited(part, strengths[part] * vector))
        return list(zip([self.before[row] for row in rows.tolist()], after, strict=True))

    def _edited(self, rows: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pictures with their latents moved by shifts (B, D), and their labels."""
        y = None if self.y is None else self.y[rows.to(self.y.device)]
        x = dequantize(self.images[rows], self.model.config.num_bits).to(self.model.device)
        z = self.model.flatten(self.model(x, y)[0])
        return self.model.decode(z + shifts.to(z), y, exact=False), y


def _balanced(has: Tensor) -> Tensor:
    """The first rows with an attribute, and the first without it."""
    return torch.cat([torch.where(side)[0][: MOST_EDITED // 2] for side in (has, ~has)])
