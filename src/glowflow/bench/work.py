"""The work of glowflow that is timed: a training step, its gradient alone, and drawing images."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from glowflow.bench.timing import Work
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.execution import Execution
from glowflow.images import BIN_CENTRE, to_uint8
from glowflow.model import Glow
from glowflow.training.batches import Batch
from glowflow.training.captured import WARM_UP
from glowflow.training.objective import Objective
from glowflow.training.options import Options
from glowflow.training.state import TrainingState


def training(
    config: GlowConfig, execution: Execution, x: Tensor, settings: TrainConfig | None = None, *, captured: bool = True
) -> Work:
    """A training step on x with the settings' optimiser, averages and clipping. It hardly changes the model.

    The step is a CUDA graph where there is CUDA, unless `captured` is False.
    """
    slow = replace(settings or TrainConfig(), lr=1e-6, batch_size=len(x))
    options, images = Options(execution, captured=captured), batch(config, x)
    state = TrainingState.new(RunConfig(config, slow), x.device, options=options)
    state.initialize(images)
    for _ in range(WARM_UP + 1 if state.captured else 0):
        state.step(images)
    return partial(state.step, images)


def gradient(config: GlowConfig, execution: Execution, x: Tensor) -> Work:
    """A training step's forward and backward pass on x, without the update."""
    model = built(config, x).execute(execution)
    found = loss(model, x)

    def work() -> None:
        model.zero_grad()
        found().backward()

    return work


def sampling(config: GlowConfig, execution: Execution, x: Tensor) -> Work:
    """The work of drawing as many images as x has."""
    frozen, y = built(config, x).execute(execution).freeze(), labels(config, x)

    def draw() -> None:
        frozen.sample(len(x), 0.7, y)

    return draw


def built(config: GlowConfig, x: Tensor) -> Glow:
    """A new model, initialised on the images x and on their device."""
    torch.manual_seed(0)
    model = Glow(config).to(x.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.initialize(x)
    return model


def loss(model: Glow, x: Tensor) -> Callable[[], Tensor]:
    """The loss that a training step on the images x differentiates."""
    objective, images = Objective(model), batch(model.config, x)
    return lambda: objective(*images).total


def batch(config: GlowConfig, x: Tensor) -> Batch:
    """The batch of a training step on the images x."""
    return Batch(to_uint8(x, config.num_bits), torch.full_like(x, BIN_CENTRE), labels(config, x))


def labels(config: GlowConfig, x: Tensor) -> Tensor | None:
    """Labels for the images x if the model has classes."""
    return torch.zeros(len(x), dtype=torch.int64, device=x.device) if config.num_classes else None
