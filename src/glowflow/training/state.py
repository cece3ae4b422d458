"""What a training carries from step to step, and its checkpoints."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from glowflow import weights
from glowflow.config import RunConfig
from glowflow.errors import InputError
from glowflow.model import Glow
from glowflow.training.averaging import zero_debiased
from glowflow.training.optimizer import build_optimizer

OPTIMIZER = "optimizer.safetensors"
PROGRESS = "training.json"


@dataclass
class Progress:
    """The counters of a training."""

    position: int = 0
    """Images drawn so far."""
    updates: int = 0
    skipped: int = 0
    """Steps whose loss or gradient wasn't finite."""
    best: float | None = None
    """Lowest bits/dim on validation images, once there is one."""


@dataclass
class TrainingState:
    """A model in training, its averages and its optimiser."""

    model: Glow
    averaged: AveragedModel | None
    optimizer: Optimizer
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def new(cls, config: RunConfig, device: str | torch.device, class_names: Sequence[str] = ()) -> "TrainingState":
        """A model with fresh weights, which depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.train.seed)
            model = Glow(config.model, class_names if config.model.num_classes else None)
        model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        beta = config.train.averaging
        averaged = None if beta is None else AveragedModel(model, multi_avg_fn=zero_debiased(beta))
        return cls(model, averaged, build_optimizer(model.parameters(), config.train))

    @property
    def evaluated(self) -> Glow:
        """The model to evaluate and sample from: the averaged one, where there is one."""
        return self.model if self.averaged is None else cast("Glow", self.averaged.module)

    def update_averages(self) -> None:
        """Let the averages take in the weights as they are now."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)

    def save_model(self, directory: Path) -> None:
        """Write the model, with its raw weights beside the averaged ones, as a directory for `from_pretrained`."""
        with weights.replacing_directory(directory) as partial:
            self._write_model(partial)

    def save(self, directory: Path) -> None:
        """Write everything that's needed to go on."""
        with weights.replacing_directory(directory) as partial:
            self._write_model(partial)
            weights.save_tensors(partial / OPTIMIZER, _flat(self.optimizer))
            weights.save_json(partial / PROGRESS, asdict(self.progress))

    def restore(self, directory: Path) -> None:
        """Take over what `save` wrote; InputError if it's damaged or of another architecture."""
        raw = weights.MODEL if self.averaged is None else weights.RAW
        weights.assign(self.model, weights.load_tensors(directory / raw), directory / raw)
        if self.averaged is not None:
            average = weights.load_tensors(directory / weights.MODEL)
            weights.assign(self.averaged.module, average, directory / weights.MODEL)
        _restore(self.optimizer, weights.load_tensors(directory / OPTIMIZER), directory / OPTIMIZER)
        try:
            self.progress = Progress(**weights.load_json(directory / PROGRESS))
        except TypeError:
            raise InputError(f"{directory / PROGRESS} is damaged: its counters are not those of a training.") from None
        if self.averaged is not None:
            self.averaged.n_averaged.fill_(self.progress.updates)

    def _write_model(self, directory: Path) -> None:
        if self.averaged is not None:
            weights.save_tensors(directory / weights.RAW, self.model.state_dict())
        self.evaluated.save_pretrained(directory, "raw" if self.averaged is None else "averaged")


def _flat(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimiser's state of each parameter, as tensors named by the parameter's number and the state's name."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor for number, entry in state.items() for name, tensor in entry.items()}


def _restore(optimizer: Optimizer, tensors: dict[str, Tensor], source: Path) -> None:
    content = optimizer.state_dict()
    content["state"] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        content["state"].setdefault(int(number), {})[name] = tensor
    try:
        optimizer.load_state_dict(content)
    except (ValueError, KeyError) as error:
        raise InputError(f"{source} doesn't fit the optimiser of this run: {error}.") from None
