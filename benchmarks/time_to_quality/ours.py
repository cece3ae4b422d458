"""Glowflow as a contender: the steps of `glowflow train`, with any preset."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from glowflow.allocator import keep_freed_memory
from glowflow.config import RunConfig
from glowflow.dequantizers import Dequantizer
from glowflow.errors import InputError
from glowflow.evaluate import bound
from glowflow.execution import Execution
from glowflow.noise import Stream, uniform_noise
from glowflow.training.augmentation import augment, built
from glowflow.training.batches import Batch
from glowflow.training.failures import MAX_SKIPPED_IN_A_ROW
from glowflow.training.options import Options
from glowflow.training.state import Progress, TrainingState


class Glowflow:
    """A preset's model and training. The averaged weights are what is evaluated, where the preset has them.

    Args:
        run: The preset.
        precision: Of the couplings' networks while training; None for float32.
    """

    def __init__(self, run: RunConfig, precision: torch.dtype | None = None) -> None:
        if run.model.num_classes:
            raise InputError("The comparison is between unconditional models: give a preset without classes.")
        self.run = run
        self.recipe: dict[str, Any] = asdict(run) | {"precision": str(precision or torch.float32)}
        self.bound = bound(run.model)
        self.batch_size, self.init_size = run.train.batch_size, run.train.init_batch_size
        keep_freed_memory()
        self.training = TrainingState.new(run, "cpu", options=Options(Execution(precision=precision)))

    @property
    def network(self) -> nn.Module:
        """The averaged model."""
        return self.training.evaluated

    @property
    def dequantizer(self) -> Dequantizer:
        """That of the averaged model."""
        return self.training.evaluated.dequantizer

    def initialize(self, images: Tensor) -> None:
        """Data-dependent initialisation."""
        self.training.initialize(self._batch(images, Stream.INITIALIZATION))

    def train_step(self, images: Tensor) -> None:
        """As in `glowflow.training`; tests/test_time_to_quality.py compares the weights after some steps."""
        self.training.step(self._batch(images, Stream.TRAINING))
        if self.training.skipped_in_a_row == MAX_SKIPPED_IN_A_ROW:
            raise ArithmeticError(f"{MAX_SKIPPED_IN_A_ROW} steps in a row had no finite loss or gradient")

    def log_prob(self, x: Tensor) -> Tensor:
        """Of the averaged model."""
        return self.training.evaluated.log_prob(x)

    def latents(self, x: Tensor) -> Tensor:
        """Of the averaged model."""
        model = self.training.evaluated
        return model.flatten(model(x)[0])

    def sample(self, num: int, temperature: float) -> Tensor:
        """Of the averaged model."""
        return self.training.evaluated.sample(num, temperature)

    def state(self) -> dict[str, Any]:
        """Weights, averages, optimiser, counters."""
        averaged = self.training.averaged
        return {
            "model": self.training.model.state_dict(),
            "averaged": None if averaged is None else averaged.state_dict(),
            "optimizer": self.training.optimizer.state_dict(),
            "progress": asdict(self.training.progress),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Weights, averages, optimiser, counters."""
        self.training.model.load_state_dict(state["model"])
        if self.training.averaged is not None:
            self.training.averaged.load_state_dict(state["averaged"])
        self.training.optimizer.load_state_dict(state["optimizer"])
        self.training.progress = Progress(**state["progress"])

    def _batch(self, images: Tensor, stream: Stream) -> Batch:
        settings, position = self.run.train, self.training.progress.position
        noise = uniform_noise(settings.seed, stream, position, len(images), self.run.model.image_shape)
        return Batch(augment(images, built(settings), settings.seed, position), noise)
