"""What the other code bases have in common as contenders, and how their code is reached."""

import importlib
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from benchmarks.time_to_quality.contender import Task
from glowflow.dequantizers import UniformDequantizer
from glowflow.errors import InputError, install
from glowflow.images import bits_per_dim, dequantize, to_uint8
from glowflow.shapes import valid_levels


@dataclass(frozen=True)
class Size:
    """How large a model and its batches are."""

    levels: int
    steps: int
    width: int
    batch_size: int


class Peer(ABC):
    """A network of another code base, in training.

    A subclass gives the network, its optimiser, loss and density. Here, x is in [-1/2, 1/2).
    """

    documented: Size
    lr: float
    max_grad_norm: float | None = None
    init_size = 0
    bound = ""

    def __init__(self, task: Task, *, small: bool = False) -> None:
        self.task, self.is_small, self.size = task, small, self._size(task, small=small)
        channels, height, width = self.shape = task.model.image_shape
        self.num_dims = channels * height * width
        self.levels = max(n for n in valid_levels(self.shape) if n <= self.size.levels)
        self.batch_size = self.size.batch_size
        self.dequantizer = UniformDequantizer(task.model.num_bits)
        self.steps = 0
        with quiet():
            self.network: nn.Module = self.build()
        self.optimizer = self.build_optimizer([p for p in self.network.parameters() if p.requires_grad])
        self.recipe = self._recipe()

    def _size(self, task: Task, *, small: bool) -> Size:
        if small or task.is_miniature:
            return Size(self.documented.levels, *task.small)
        return self.documented

    def _recipe(self) -> dict[str, Any]:
        """What can be told in numbers; the rest of a recipe is the code of its class."""
        size = asdict(self.size) | {"small": self.is_small, "levels": self.levels}
        weight_decay = self.optimizer.defaults["weight_decay"]
        training = {"lr": self.lr, "weight_decay": weight_decay, "max_grad_norm": self.max_grad_norm}
        return size | {"optimizer": type(self.optimizer).__name__} | training

    @abstractmethod
    def build(self) -> nn.Module:
        """The network."""

    @abstractmethod
    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """The optimiser."""

    @abstractmethod
    def own_log_prob(self, x: Tensor) -> Tensor:
        """The log-density that the code base itself gives, in nats of x but for `constant`."""

    @abstractmethod
    def latents(self, x: Tensor) -> Tensor:
        """What x is mapped to, standard normal under the model: (B, D)."""

    @abstractmethod
    def draw(self, num: int, temperature: float) -> Tensor:
        """Random x."""

    @property
    def constant(self) -> float:
        """What has to be added to `own_log_prob` to make it the density of x."""
        return 0.0

    def loss(self, x: Tensor) -> Tensor:
        """What is minimised, as in most recipes: mean bits/dim."""
        return bits_per_dim(self.log_prob(x), self.num_dims, self.task.model.num_bits).mean()

    def augment(self, images: Tensor) -> Tensor:
        """Randomly changed images; as they are, in recipes that don't say otherwise."""
        return images

    def initialize(self, images: Tensor) -> None:
        """Nothing else, where the first batch that's trained on does it."""
        self.network.train()

    def train_step(self, images: Tensor) -> None:
        """Loss, gradient, update."""
        self.network.train()
        with quiet():
            loss = self.loss(self.continuous(images))
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad()
        if self.accepts(loss):
            loss.backward()
            if self.max_grad_norm is not None:
                clip_grad_norm_(self.network.parameters(), self.max_grad_norm)
            self.optimizer.step()
        self.steps += 1

    def accepts(self, loss: Tensor) -> bool:
        """Whether a step is made at all."""
        return True

    def learning_rate(self) -> float:
        """Of the next step."""
        return self.lr

    def continuous(self, images: Tensor) -> Tensor:
        """The x of uint8 images, with noise."""
        changed = self.augment(images)
        return dequantize(changed, self.task.model.num_bits, torch.rand(changed.shape)).contiguous()

    def log_prob(self, x: Tensor) -> Tensor:
        """The density of x."""
        return self.own_log_prob(x) + self.constant

    def sample(self, num: int, temperature: float) -> Tensor:
        """Random images, those without a value black."""
        with quiet(), torch.no_grad():
            x = self.draw(num, temperature).reshape(num, *self.shape)
        return to_uint8(x.nan_to_num(-0.5), self.task.model.num_bits)

    def state(self) -> dict[str, Any]:
        """Weights, optimiser, counter."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "steps": self.steps}

    def load(self, state: dict[str, Any]) -> None:
        """Weights, optimiser, counter."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]


def package(name: str) -> Any:  # noqa: ANN401 (a module without types)
    """A module of a package from the registry.

    Raises:
        InputError: If it isn't installed.
    """
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError:
        raise InputError(f"{name} isn't installed: {install('peers')}.") from None


def checked_out(checkout: Path) -> ModuleType:
    """A checkout's module `model`, so that another checkout can have one too."""
    names = ("model", "modules", "utils")
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(checkout))
    try:
        with quiet():
            return importlib.import_module("model")
    except ImportError as error:
        raise InputError(f"{checkout} can't be used: {error}.") from None
    finally:
        sys.path.remove(str(checkout))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings about what PyTorch has deprecated since."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def recorded(names: dict[str, Any], function: str) -> Iterator[list[tuple[Tensor, ...]]]:
    """What a function of a module's `names` is called with meanwhile."""
    real, calls = names[function], list[tuple[Tensor, ...]]()

    def note(*tensors: Tensor) -> Tensor:
        calls.append(tensors)
        return real(*tensors)

    names[function] = note
    try:
        yield calls
    finally:
        names[function] = real


def mirrored(images: Tensor) -> Tensor:
    """Each image as it is or mirrored, at random."""
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images, images.flip(3))
