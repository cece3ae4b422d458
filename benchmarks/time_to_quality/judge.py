"""The one evaluator: bits/dim of the same images, with the same noise, for every contender.

A contender that learned its dequantisation is judged with it, so its bits/dim are a bound, and are marked as one.
"""

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.time_to_quality.contender import Contender
from benchmarks.time_to_quality.peers.base import quiet
from glowflow.data import Dataset
from glowflow.evaluate import standard_error
from glowflow.images import bits_per_dim
from glowflow.noise import Stream, uniform_noise

BATCH = 32


@dataclass(frozen=True)
class Verdict:
    """How good a model is."""

    bits_per_dim: float | None
    """None where it isn't a number for every image."""
    standard_error: float | None
    not_finite: int
    """Images without a finite density."""
    bound: str = ""
    """See `glowflow.evaluate.bound`; empty where the noise is uniform."""


@torch.no_grad()
def judge(contender: Contender, dataset: Dataset, num_bits: int) -> Verdict:
    """Mean bits/dim over a data set's images."""
    contender.network.eval()
    num_dims, parts = int(np.prod(dataset.image_shape)), []
    for start in range(0, len(dataset), BATCH):
        images, _ = dataset.batch(range(start, min(start + BATCH, len(dataset))))
        noise = uniform_noise(0, Stream.EVALUATION, start, len(images), dataset.image_shape)
        with quiet():
            x, log_q = contender.dequantizer(images, noise)
            log_prob = contender.log_prob(x.contiguous())
        parts.append(bits_per_dim(log_prob.double() - log_q.double(), num_dims, num_bits).numpy())
    values = np.concatenate(parts)
    missing = int((~np.isfinite(values)).sum())
    if missing:
        return Verdict(None, None, missing, contender.bound)
    clusters = np.arange(len(values)) if dataset.groups is None else dataset.groups
    return Verdict(float(values.mean()), standard_error(values, clusters), 0, contender.bound)
