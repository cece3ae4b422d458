"""The batches of a training, which are parts of an endless stream of images."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from glowflow.config import GlowConfig, RunConfig
from glowflow.data import Dataset
from glowflow.errors import InputError
from glowflow.noise import Stream, uniform_noise
from glowflow.order import shuffled
from glowflow.processes import Processes
from glowflow.training.augmentation import Augmentation, augment, built


class Batch(NamedTuple):
    """Everything that a training step takes."""

    images: Tensor
    """uint8 (B, C, H, W)."""
    noise: Tensor
    """Uniform numbers in [0, 1), (B, C, H, W)."""
    y: Tensor | None = None
    """Labels (B,) of a class-conditional model."""

    def to(self, device: str | torch.device) -> "Batch":
        """The batch on a device. It's copied to a GPU while the GPU computes."""
        is_cuda = torch.device(device).type == "cuda"
        parts = [part.pin_memory() if is_cuda and part is not None else part for part in self]
        return Batch(*(None if part is None else part.to(device, non_blocking=is_cuda) for part in parts))  # type: ignore[arg-type]

    def split(self, size: int | None) -> list["Batch"]:
        """The batch as batches of at most `size` images; None leaves it whole."""
        images, noise = (part.split(size or len(part)) for part in (self.images, self.noise))
        labels = [None] * len(images) if self.y is None else self.y.split(size or len(self.y))
        return [Batch(*part) for part in zip(images, noise, labels, strict=True)]


@dataclass(frozen=True)
class Batches:
    """Batches of a data set. Each is a function of the configuration, which has the seed, and a position.

    >>> from glowflow import GlowConfig, TrainConfig, load
    >>> digits = load("digits", (1, 28, 28), "train")
    >>> config = RunConfig(GlowConfig((1, 28, 28)), TrainConfig(data="digits"))
    >>> Batches(digits, config, "cpu").at(position=64, count=32).images.shape
    torch.Size([32, 1, 28, 28])
    """

    dataset: Dataset
    config: RunConfig
    device: str | torch.device

    def at(self, position: int, count: int, stream: Stream = Stream.TRAINING) -> Batch:
        """The images at positions position, ..., position + count - 1, with their noise and labels."""
        return self.prepared(position, self.fetched(position, count, stream))

    def fetched(self, position: int, count: int, stream: Stream = Stream.TRAINING) -> Batch:
        """The batch on the CPU, as it's read from memory or disk."""
        seed = self.config.train.seed
        images, labels = self.dataset.batch(shuffled(seed, position, count, len(self.dataset)))
        noise = uniform_noise(seed, stream, position, count, self.config.model.image_shape)
        return Batch(images, noise, labels if self.config.model.num_classes else None)

    def prepared(self, position: int, fetched: Batch) -> Batch:
        """The batch on the device, augmented."""
        batch = fetched.to(self.device)
        return batch._replace(images=augment(batch.images, self._augmentations, self.config.train.seed, position))

    @cached_property
    def _augmentations(self) -> list[Augmentation]:
        return built(self.config.train)


def ahead(batches: Batches, processes: Processes, positions: range) -> Iterator[Batch]:
    """This process's share of the batch at each position. The next batch is fetched while one is in use.

    Args:
        batches: The images.
        processes: The processes that share each batch.
        positions: The position at which each batch (of all processes together) begins.
    """
    share = processes.share(batches.config.train.batch_size)
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(batches.fetched, positions.start + share.start, len(share))
        for start in (position + share.start for position in positions):
            fetched = upcoming.result()
            upcoming = thread.submit(batches.fetched, start + positions.step, len(share))
            yield batches.prepared(start, fetched)


def check_trainable(config: GlowConfig, dataset: Dataset) -> None:
    """Check that the data set has images, and as many classes as a class-conditional model.

    Raises:
        InputError: If it doesn't.
    """
    if not len(dataset):
        raise InputError(f"{dataset.name} has no images to spare for its {dataset.split} split: it needs at least 3.")
    if config.num_classes and len(dataset.class_names) != config.num_classes:
        found = f"{len(dataset.class_names)} classes" if dataset.class_names else "no labels"
        raise InputError(
            f"The model has {config.num_classes} classes (model.num_classes) and {dataset.name} has {found}."
        )
