"""Numbers that describe an image as a model sees it. Scores are made of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from glowflow.data import Dataset
from glowflow.evaluate import Floats, noisy
from glowflow.images import Array, quantize
from glowflow.model import Glow
from glowflow.processes import ALONE, Processes
from glowflow.progress import progress
from glowflow.scoring.bits import Bits
from glowflow.scoring.codecs import Codec, begun

PLACES = 4
"""The latents of a level are described at so many places down and across."""
CELLS = 8
"""The layout of an image is described by so many cells down and across."""


@dataclass(frozen=True)
class Statistics:
    """Numbers that describe N images, for a model of L levels. All bits are divided by the number of values.

    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig((3, 16, 16), levels=2, steps=1, width=8))
    >>> images = torch.randint(256, (5, 3, 16, 16), dtype=torch.uint8)
    >>> found = Statistics.of(model, images, torch.rand(images.shape))
    >>> found.latent_bits.shape, found.layout.shape
    ((5, 2), (5, 192))

    Attributes:
        latent_bits: The bits of each level's latent, which is standard normal under the model, (N, L).
        log_det_bits: The bits of each level's layers, with its prior, (N, L).
        dequantization_bits: The number of bits of each value, plus those of the noise's density, (N, 1).
        codec_bits: The fewest bits that one of some compressors needs, (N, 1). It's (N, 0) without compressors.
        latents: How much each level's latents are like white noise, as the model expects: the mean square of each
            channel; the mean product of neighbours across and down; the mean square at each of 4x4 places, (N, T).
        layout: Where the image is light, dark or coloured: the mean of each channel in 8x8 cells, (N, P).
    """

    latent_bits: Floats
    log_det_bits: Floats
    dequantization_bits: Floats
    codec_bits: Floats
    latents: Floats
    layout: Floats

    @classmethod
    @torch.no_grad()
    def of(cls, model: Glow, images: Array, noise: Array, y: Array | None = None, codecs: Sequence[Codec] = ()) -> Self:
        """Describe images (N, C, H, W), uint8. The arguments are those of `Glow.bits_per_dim`, and the compressors."""
        config, levels = model.config, quantize(images, model.config.num_bits).cpu()
        pixels, is_idle = levels.permute(0, 2, 3, 1).numpy(), model.device.type != "cpu"
        codec_bits = begun(pixels, config.num_bits, codecs, is_idle=is_idle) if codecs else None
        x, log_q = model.dequantized(images, noise)
        passed = model.by_level(x, y)
        bits = Bits.of_pass(passed, log_q, config)
        return cls(
            _numbers(bits.eps / config.num_dims),
            _numbers((bits.prior + bits.log_det) / config.num_dims),
            _numbers(bits.dequantization[:, None] / config.num_dims),
            codec_bits()[:, None] if codec_bits else np.empty((len(levels), 0)),
            np.concatenate([_whiteness(latent) for latent in passed.latents], 1),
            _numbers(_cells(levels.float() / 255, CELLS)),
        )

    @property
    def level_bits(self) -> Floats:
        """All bits of each level, (N, L)."""
        return self.latent_bits + self.log_det_bits

    @property
    def bits_per_dim(self) -> Floats:
        """All bits, (N,)."""
        return self.level_bits.sum(1) + self.dequantization_bits[:, 0]

    def chosen(self, rows: NDArray[np.int64]) -> Self:
        """The numbers of some of the images."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def statistics(
    model: Glow, dataset: Dataset, codecs: Sequence[Codec] = (), *, seed: int = 0, processes: Processes = ALONE
) -> Statistics:
    """Describe a data set's images. The noise is the first draw of `evaluate.scores`.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> digits = load("digits", (1, 28, 28), "test").thinned(10)
    >>> statistics(model, digits).bits_per_dim.shape
    (10,)
    """
    parts = processes.attempted(lambda: list(in_batches(model, dataset, codecs, seed, processes)))
    rows = processes.share(len(dataset))
    columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Statistics)]
    return Statistics(*(processes.gathered(column[: len(rows)], len(dataset)) for column in columns))


def in_batches(
    model: Glow, dataset: Dataset, codecs: Sequence[Codec], seed: int, processes: Processes
) -> Iterator[Statistics]:
    """Yield what `statistics` says about this process's share of the images, batch by batch.

    A process without a share describes one image, which tells the shapes.
    """
    rows = processes.share(len(dataset))
    with progress(f"Scores of {dataset.name} ({dataset.split})", len(rows)) as advance:
        for _, images, noise, y in noisy(model, dataset, rows or range(1), 0, seed):
            yield Statistics.of(model, images, noise, y, codecs)
            advance(len(images))


def _numbers(values: Tensor) -> Floats:
    return values.cpu().double().numpy()


def _whiteness(latent: Tensor) -> Floats:
    """What `Statistics.latents` says about the latent (B, C, h, w) of a level."""
    square = latent.square()
    across = (latent[..., 1:] * latent[..., :-1]).flatten(1).sum(1)
    down = (latent[..., 1:, :] * latent[..., :-1, :]).flatten(1).sum(1)
    products = torch.stack([across, down], 1) / latent[0].numel()
    places = _cells(square.mean(1, keepdim=True).cpu(), PLACES)  # Apple's GPUs pool only into equal cells
    return np.concatenate([_numbers(square.mean((2, 3))), _numbers(products), _numbers(places)], 1)


def _cells(values: Tensor, count: int) -> Tensor:
    """The means of values (B, C, h, w) in at most `count` cells down and across, flattened."""
    height, width = values.shape[2:]
    return adaptive_avg_pool2d(values, (min(count, height), min(count, width))).flatten(1)
