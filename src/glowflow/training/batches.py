"""The batches of a training: what stands at each position of its endless stream of images."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

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
        return self.prepared(position, self.fetched(position, count, stream))

    def fetched(self, position: int, count: int, stream: Stream = Stream.TRAINING) -> "Fetched":
        """What `prepared` needs, on the CPU."""
        seed = self.config.train.seed
        images, labels = self.dataset.batch(shuffled(seed, position, count, len(self.dataset)))
        return Fetched(images, uniform_noise(seed, stream, position, count, self.config.model.image_shape), labels)

    def prepared(self, position: int, fetched: "Fetched") -> tuple[Tensor, Tensor | None]:
        """Augmented and dequantised images, and labels, on the device."""
        model, labels = self.config.model, fetched.labels
        images = augment(fetched.images.to(self.device), self.config.train, position)
        y = labels.to(self.device) if labels is not None and model.num_classes else None
        return dequantize(images, model.num_bits, fetched.noise.to(self.device)), y


class Fetched(NamedTuple):
    """A batch as it comes from memory or disk: uint8 images (B, C, H, W), noise for them, and labels if any."""

    images: Tensor
    noise: Tensor
    labels: Tensor | None


class Ahead:
    """Batches of which the next is fetched while the last is in use: what a device would wait for is there already."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.thread = ThreadPoolExecutor(1)
        self.waiting: dict[tuple[int, int], Future[Fetched]] = {}

    def at(self, position: int, count: int, then: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """`Batches.at(position, count)`, after which `then`, a position and a count, will be asked for."""
        future = self.waiting.pop((position, count), None)
        fetched = future.result() if future else self.batches.fetched(position, count)
        self.waiting = {then: self.thread.submit(self.batches.fetched, *then)}
        return self.batches.prepared(position, fetched)


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
