"""The recordings of the original's runs (tests/data/reference): arrays by name, images in our layout."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glowflow import Glow
from glowflow.images import dequantize
from glowflow.importers import openai
from glowflow.training.batches import Batch

FOLDER = Path(__file__).parent / "data" / "reference"
CASES = ("affine_1x1", "affine_lu", "additive_shuffle_ycond_5bit", "additive_reverse")


class Recording:
    """One case: `config` as the original has it, and its arrays."""

    def __init__(self, case: str) -> None:
        with np.load(FOLDER / case / "reference.npz") as file:
            self.arrays = {name: file[name] for name in file.files}
        self.config: dict[str, Any] = json.loads(str(self.arrays["config"]))

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    def images(self, name: str) -> Tensor:
        """NHWC to NCHW."""
        return self[name].permute(0, 3, 1, 2).contiguous()

    def variables(self, when: str) -> dict[str, Tensor]:
        """The model's variables, "init" or "final"."""
        prefix = f"{when}/"
        return {name.removeprefix(prefix): self[name] for name in self.arrays if name.startswith(f"{prefix}model/")}

    def model(self, when: str) -> Glow:
        """Our model with the original's weights."""
        return openai.to_glow(self.variables(when), (self.config["image_size"],) * 2, self.config["n_bits_x"])

    def labels(self, name: str) -> Tensor | None:
        """Labels, for a class-conditional model."""
        return self[name].long() if self.config["ycond"] else None

    def batch(self, step: int) -> Batch:
        """Images, noise and labels of a training step."""
        chosen = slice(step * self.config["batch"], (step + 1) * self.config["batch"])
        labels = self.labels("train_y")
        images, noise = self.images("train_x"), self.images("train_noise")
        return Batch(images[chosen], noise[chosen], labels if labels is None else labels[chosen])

    def x(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Continuous images and labels of a training step."""
        images, noise, y = self.batch(step)
        return dequantize(images, self.config["n_bits_x"], noise), y


@cache
def recording(case: str) -> Recording:
    """The recording of a case, read once."""
    return Recording(case)
