"""Where an image takes unusually many bits: maps of its pixels, beside those of usual images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from glowflow.data import Dataset
from glowflow.errors import InputError, counted
from glowflow.evaluate import Floats, batch_size, noise_at, scores
from glowflow.images import BIN_CENTRE
from glowflow.model import Glow
from glowflow.processes import ALONE, Processes
from glowflow.progress import progress
from glowflow.scoring.bits import Bits

FEWEST, MOST = 30, 300
"""The fewest images that tell which bits are usual, and the most that are looked at for this."""
KEPT = 0.99
"""The share of these images that count, those with the fewest bits. A broken one would hide what is unusual."""


@torch.no_grad()
def bits_by_pixel(model: Glow, dataset: Dataset, rows: Sequence[int], seed: int | None = 0) -> Iterator[Bits]:
    """Yield the `Bits.by_pixel`, in batches on the CPU, of the images at some rows of a data set.

    The noise is the first draw of `evaluate.scores` with the same seed, so the pixels of an image add up to its score.
    Without a seed all noise is 0.5, so each value stands at the centre of its bin, or at the median of learned noise.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model, digits = Glow(GlowConfig((1, 28, 28), steps=1, width=8)), load("digits", (1, 28, 28), "test")
    >>> [bits.total.shape for bits in bits_by_pixel(model, digits, [3, 7])]
    [torch.Size([2, 28, 28])]
    """
    exact, size = model.in_float64(), batch_size(model.config)
    with progress(f"Maps of {dataset.name} ({dataset.split})", len(rows)) as advance:
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            images, labels = dataset.batch(part)
            y = labels.to(model.device) if labels is not None and model.config.num_classes else None
            noise = torch.full(images.shape, BIN_CENTRE) if seed is None else noise_at(dataset, part, seed=seed)
            yield Bits.by_pixel(exact, images, noise, y).cpu()
            advance(len(part))


def _sums(model: Glow, dataset: Dataset, rows: range) -> Tensor:
    """The sums of the bits of latents over the images at some rows, and those of their squares, (2, L, H, W)."""
    sums = torch.zeros(2, model.config.num_levels, *model.config.image_shape[1:], dtype=torch.float64)
    for bits in bits_by_pixel(model, dataset, rows, seed=None):
        sums += torch.stack([bits.latents.sum(0), bits.latents.square().sum(0)])
    return sums


@dataclass(frozen=True)
class UsualBits:
    """The bits that the latents of usual images take at each pixel of each level (`Bits.latents`), without noise.

    With noise, the bits of an image would differ from draw to draw, which would hide where it's unusual.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model, digits = Glow(GlowConfig((1, 28, 28), steps=1, width=8)), load("digits", (1, 28, 28), "test")
    >>> usual = UsualBits.of(model, digits.thinned(30))
    >>> [usual.excess(bits).shape for bits in bits_by_pixel(model, digits, [3, 7], seed=None)]
    [(2, 28, 28)]

    Attributes:
        mean: Their mean, (L, H, W).
        deviation: Their standard deviation, (L, H, W).
    """

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, model: Glow, dataset: Dataset, processes: Processes = ALONE) -> Self:
        """The bits of at most MOST images of a data set that the model wasn't trained on. Processes share the work.

        Raises:
            InputError: If there are fewer than FEWEST.
        """
        if len(dataset) < FEWEST:
            raise InputError(
                f"{dataset.name} has {counted(len(dataset), f'{dataset.split} image')}; at least {FEWEST} are needed "
                "to tell which bits are usual."
            )
        looked_at = dataset.thinned(MOST)
        bits_per_dim = scores(model, looked_at, processes=processes)
        chosen = looked_at.chosen(np.flatnonzero(bits_per_dim <= np.quantile(bits_per_dim, KEPT)))
        sums = processes.attempted(lambda: _sums(model, chosen, processes.share(len(chosen))))
        mean, square = processes.add(sums).cpu().numpy() / len(chosen)
        return cls(mean, np.sqrt((square - mean**2).clip(min=0)))

    def excess(self, bits: Bits) -> Floats:
        """By how many standard deviations the bits of latents, without noise, exceed the usual ones, (B, H, W).

        It's the mean over the levels, so each level counts the same, although finer ones take more bits. A deviation
        below the root mean square over the level's pixels is raised to it. Otherwise, every change would stand out
        where usual images hardly differ, as in the corners of digits.
        """
        return self.excess_of(bits.latents).numpy()

    def excess_of(self, latents: Tensor) -> Tensor:
        """`excess` of the bits of latents, (B, L, H, W), in their type."""
        typical = np.sqrt((self.deviation**2).mean((1, 2), keepdims=True))
        deviation = np.where(typical > 0, np.maximum(self.deviation, typical), 1.0)
        mean, spread = (torch.from_numpy(each).to(latents) for each in (self.mean, deviation))
        return ((latents - mean) / spread).mean(1)
