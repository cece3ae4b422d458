"""What every contender in the comparison can do, whoever wrote it, and what all of them are given."""

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from glowflow.config import GlowConfig, RunConfig
from glowflow.dequantizers import Dequantizer
from glowflow.presets import load


class Small(NamedTuple):
    """The size of the other code bases' small models, in steps per level and channels, and of their batches."""

    steps: int
    width: int
    batch_size: int


SIZES = {"faces32": Small(8, 128, 16), "photos32": Small(8, 64, 8), "digits": Small(8, 64, 8)}
"""By task: those of glowflow's presets in version 0.1.0. They stay, so that a contender is the same in every run."""


@dataclass(frozen=True)
class Task:
    """Images to learn.

    Args:
        run: The preset of the same name: data, image shape and bits of all, size and training of glowflow.
        num_train: How many training images there are; an epoch, for recipes that count in epochs.
        small: The size of the other code bases' small models.
        mirrored: Whether a mirrored image is one of the same kind; digits aren't.
        is_miniature: Whether all contenders are to be of this size, as small as can be.
    """

    run: RunConfig
    num_train: int
    small: Small
    mirrored: bool
    is_miniature: bool = False

    @property
    def model(self) -> GlowConfig:
        """Image shape and bits."""
        return self.run.model


def task(name: str, num_train: int) -> Task:
    """The task of a preset's name."""
    return Task(load(name).run, num_train, SIZES[name], mirrored=name != "digits")


class Contender(Protocol):
    """A model in training, by its code base's own recipe.

    Args:
        recipe: Its settings, stored with its results.
        batch_size: Images that `train_step` takes.
        init_size: Images that `initialize` takes; 0 where that does nothing.
        bound: What its dequantizer makes of its bits/dim; see `glowflow.evaluate.bound`. Empty for uniform noise.
    """

    recipe: dict[str, Any]
    batch_size: int
    init_size: int
    bound: str

    @property
    def network(self) -> nn.Module:
        """The module that is evaluated."""

    @property
    def dequantizer(self) -> Dequantizer:
        """What makes continuous images for evaluation of uint8 images and noise."""

    @abstractmethod
    def initialize(self, images: Tensor) -> None:
        """Set what depends on data before the first step, from uint8 images (init_size, C, H, W)."""

    @abstractmethod
    def train_step(self, images: Tensor) -> None:
        """One step on uint8 images (batch_size, C, H, W), with the recipe's own augmentation and noise."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats of continuous images x (B, C, H, W) in [-1/2, 1/2), for evaluation."""

    @abstractmethod
    def latents(self, x: Tensor) -> Tensor:
        """What x is mapped to (B, D), standard normal under the model; for the check of `log_prob`."""

    @abstractmethod
    def sample(self, num: int, temperature: float) -> Tensor:
        """Random images (num, C, H, W), uint8."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that's needed to go on, of tensors, numbers and strings."""

    @abstractmethod
    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""


def plain(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe as it's read back from a file: with lists for tuples."""
    content: dict[str, Any] = json.loads(json.dumps(recipe))
    return content
