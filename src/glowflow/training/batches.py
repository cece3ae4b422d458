"""The batches of a training: what stands at each position of its endless stream of images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from glowflow.config import RunConfig
from glowflow.data import Dataset
from glowflow.data.order import Stream, shuffled, uniform_noise
from glowflow.images import dequantize
from glowflow.training.augmentation import augment


@dataclass(frozen=True)
class Batches:
    """Batches of a data set, each a function of the configuration (its seed) and a position."""

    dataset: Dataset
    config: RunConfig
    device: str | torch.device

    def at(self, position: int, count: int, stream: Stream = Stream.TRAINING) -> tuple[Tensor, Tensor | None]:
        """Continuous images (count, C, H, W) at positions position, ...; their labels for a conditional model."""
        settings, model = self.config.train, self.config.model
        images, labels = self.dataset.batch(shuffled(settings.seed, position, count, len(self.dataset)))
        images = augment(images.to(self.device), settings, position)
        noise = uniform_noise(settings.seed, stream, position, count, model.image_shape).to(self.device)
        y = labels.to(self.device) if labels is not None and model.num_classes else None
        return dequantize(images, model.num_bits, noise), y
