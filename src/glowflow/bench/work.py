"""What is timed of glowflow: a training step, and drawing images."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from glowflow.bench.timing import Work
from glowflow.config import GlowConfig, TrainConfig
from glowflow.execution import Execution
from glowflow.images import BIN_CENTRE, to_uint8
from glowflow.model import Glow
from glowflow.training.objective import Objective
from glowflow.training.optimizer import build_optimizer


def training(config: GlowConfig, execution: Execution, x: Tensor, settings: TrainConfig | None = None) -> Work:
    """A training step on the batch x: forward, backward, update by the settings' optimiser, which hardly moves."""
    model = built(config, x).execute(execution)
    slow = replace(settings or TrainConfig(), lr=1e-6)
    return stepping(loss(model, x), build_optimizer(model, slow, execution.precision))


def stepping(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> Work:
    """A training step: the gradient of a loss, and an update."""

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def sampling(config: GlowConfig, execution: Execution, x: Tensor) -> Work:
    """Drawing as many images as the batch x has."""
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
    """What a training step differentiates, for the images x."""
    images, noise = to_uint8(x, model.config.num_bits), torch.full_like(x, BIN_CENTRE)
    objective, y = Objective(model), labels(model.config, x)
    return lambda: objective(images, noise, y).total


def labels(config: GlowConfig, x: Tensor) -> Tensor | None:
    """Labels of the images x, for a model that has classes."""
    return torch.zeros(len(x), dtype=torch.int64, device=x.device) if config.num_classes else None
