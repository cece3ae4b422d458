"""The batches of a training: what stands at each position of its endless stream of images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from glowflow.config import GlowConfig, RunConfig
from glowflow.data import Dataset
from glowflow.data.order import Stream, shuffled, uniform_noise
from glowflow.errors import InputError
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


def check_trainable(config: GlowConfig, dataset: Dataset) -> None:
    """Refuse a data set without images, or whose classes aren't as many as the model's.

    Raises:
        InputError: If it's empty, or has another number of classes than a class-conditional model, or none.
    """
    if not len(dataset):
        raise InputError(f"{dataset.name} has no images to spare for its {dataset.split} split: it needs at least 3.")
    if config.num_classes and len(dataset.class_names) != config.num_classes:
        found = f"{len(dataset.class_names)} classes" if dataset.class_names else "no labels"
        raise InputError(
            f"The model has {config.num_classes} classes (model.num_classes) and {dataset.name} has {found}."
        )
