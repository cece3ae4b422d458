"""Files of latents."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from glowflow import weights
from glowflow.errors import InputError
from glowflow.stored import StoredModel

RAW = ".f64"
"""The suffix of files that the web page saves. They hold the numbers of one flat latent and nothing else."""


def save(path: Path, z: Tensor, stored: StoredModel) -> None:
    """Write flat latents (N, D) as float64, with the digest of their model's weights."""
    weights.save_tensors(path, {"z": z.double().cpu()}, {"model": stored.digest})


def load(path: Path, stored: StoredModel) -> Tensor:
    """Flat latents (N, D), float64, from a file that `save` or the web page wrote.

    Raises:
        InputError: If the file is damaged or from another model.
    """
    if path.suffix == RAW:
        z = torch.from_numpy(np.fromfile(path, "<f8"))[None] if path.is_file() else torch.empty(1, 0)
    else:
        z = weights.load_tensors(path).get("z", torch.empty(0))
        if weights.load_facts(path).get("model") != stored.digest:
            raise InputError(f"{path} has the latents of another model, or of other weights, than {stored.name}.")
    num_dims = stored.config.num_dims
    if z.ndim != 2 or z.shape[1] != num_dims or not z.isfinite().all():
        raise InputError(f"{path} has no latents of {stored.name}; each of these is {num_dims:,} finite numbers.")
    return z
