"""Latents of images as a file."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from glowflow import weights
from glowflow.errors import InputError
from glowflow.latents.directions import digest_of

RAW = ".f64"
"""How the names of files end that the web page saves: the numbers of one flat latent, and nothing else."""


def save(path: Path, z: Tensor, model: str | Path) -> None:
    """Write flat latents (N, D) as float64 with the digest of their model's weights."""
    weights.save_tensors(path, {"z": z.double().cpu()}, {"model": digest_of(model)})


def load(path: Path, model: str | Path, num_dims: int) -> Tensor:
    """The flat latents (N, D), float64, of a file that `save` wrote, or that the web page did.

    Raises:
        InputError: If it's damaged, or not from this model.
    """
    if path.suffix == RAW:
        z = torch.from_numpy(np.fromfile(path, "<f8"))[None] if path.is_file() else torch.empty(1, 0)
    else:
        z = weights.load_tensors(path).get("z", torch.empty(0))
        if weights.load_facts(path).get("model") != digest_of(model):
            raise InputError(f"{path} has latents of another model than {model}, or of other weights.")
    if z.ndim != 2 or z.shape[1] != num_dims or not z.isfinite().all():
        raise InputError(f"{path} has no latents of {model}, which take {num_dims:,} finite numbers each.")
    return z
