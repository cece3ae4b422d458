"""Everything that a training carries from step to step."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from glowflow import weights
from glowflow.config import RunConfig, TrainConfig
from glowflow.data import Range
from glowflow.durable import digest, load_json, replacing_directory, save_json, seal
from glowflow.errors import InputError, listed
from glowflow.model import Glow
from glowflow.provenance import provenance
from glowflow.scoring.reference import Reference
from glowflow.stored import StoredModel
from glowflow.training.averaging import Average
from glowflow.training.batches import Batch
from glowflow.training.captured import Captured
from glowflow.training.checkpoints import OPTIMIZER, PROGRESS, optimizer_tensors, present, restore_optimizer
from glowflow.training.gradient import Gradient
from glowflow.training.objective import Objective
from glowflow.training.optimizer import GlowAdamax, build_optimizer, learning_rate, set_learning_rate, update_if
from glowflow.training.options import Options
from glowflow.training.results import LAGS, StepResult
from glowflow.training.run import LAST, PREVIOUS


@dataclass
class Progress:
    """The counters of a training."""

    position: int = 0
    """Images drawn so far."""
    updates: int = 0
    skipped: int = 0
    """Steps whose loss or gradient wasn't finite."""
    best: float | None = None
    """Lowest bits/dim on validation images; None before the first validation."""
    threads: int | None = None
    """How many threads compute in each process, on which last digits depend; None in older versions' checkpoints."""
    processes: int = 1
    """How many processes share each batch."""


@dataclass
class TrainingState:
    """A model in training, its averages, its optimiser and its counters.

    >>> from glowflow import GlowConfig, TrainConfig
    >>> config = RunConfig(GlowConfig((1, 8, 8), steps=1, width=8, levels=1), TrainConfig(batch_size=2))
    >>> state = TrainingState.new(config, "cpu")
    >>> batch = Batch(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.rand(2, 1, 8, 8))
    >>> state.initialize(batch)
    >>> state.step(batch).was_finite, state.progress.position
    (True, 2)
    """

    settings: TrainConfig
    model: Glow
    averaged: Average[Glow] | None
    optimizer: Optimizer
    gradient: Gradient
    lag: int
    """How many steps late `progress.updates` and the two counts of skipped steps may be; see `settle`."""
    progress: Progress = field(default_factory=Progress)
    skipped_in_a_row: int = 0
    """How many of the latest steps, without a break, had no finite loss or gradient."""
    captured: Captured | None = None
    """Runs `compute` as a CUDA graph, where there is CUDA. After a change of the model's execution or type, or of which
    parameters are trained, it must be replaced by a new one."""
    unread: deque[StepResult] = field(default_factory=deque)
    """Results that aren't counted yet."""
    value_ranges: Mapping[str, Range] = field(default_factory=dict)
    """The images' value ranges (`data.Dataset`), which are stored with the model."""
    data: str = ""
    """The name of the images."""
    images: str = ""
    """The digest of the images (`data.Dataset`), which is stored with the model."""

    @classmethod
    def new(
        cls,
        config: RunConfig,
        device: str | torch.device,
        class_names: Sequence[str] = (),
        options: Options = Options(),  # noqa: B008 (frozen)
    ) -> "TrainingState":
        """A training that hasn't begun. The weights depend only on the seed, and the options say how it runs."""
        settings, execution = config.train, options.execution
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            model = Glow(config.model, class_names if config.model.num_classes else None)
        model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        averaged = None if settings.averaging is None else Average(model, settings.averaging)
        model.execute(execution)  # not the average, which is evaluated in the parameters' type
        objective = Objective(model, settings.weight_y)
        gradient = Gradient(objective, settings.batch_size, options.micro_batch, options.processes)
        optimizer, lag = build_optimizer(model, settings, execution.precision), LAGS.get(model.device.type, 0)
        state = cls(settings, model, averaged, optimizer, gradient, lag)
        can_capture = model.device.type == "cuda" and options.processes.count == 1 and isinstance(optimizer, GlowAdamax)
        if options.captured and can_capture:
            state.captured = Captured()
        return state

    @property
    def evaluated(self) -> Glow:
        """The model to evaluate and sample from: the average if there is one."""
        return self.model if self.averaged is None else self.averaged.module

    def initialize(self, batch: Batch | None = None) -> None:
        """Initialise the model, and give the first process's weights to the other processes and to the averages.

        Args:
            batch: What the data-dependent initialisation uses; without it there is no such initialisation.
        """
        if batch is not None:
            self.model.initialize(self.model.dequantizer.initialize(batch.images, batch.noise))
        self.gradient.processes.take_from_first(self.model)
        self.evaluated.load_state_dict(self.model.state_dict())

    def step(self, batch: Batch) -> StepResult:
        """One step of training: compute the gradient, and update weights and averages if loss and gradient are finite.

        The device decides whether they are finite, so that the host needn't wait for it.

        Args:
            batch: This process's share of `settings.batch_size` images.
        """
        lr = learning_rate(self.settings, self.progress.position)
        set_learning_rate(self.optimizer, lr)
        numbers = self.compute(batch) if self.captured is None else self.captured(self.compute, batch)
        self.progress.position += self.settings.batch_size
        result = StepResult(numbers, lr)
        self.unread.append(result)
        self.settle(self.lag)
        return result

    def compute(self, batch: Batch) -> Tensor:
        """Do a step on the device, and return the numbers of its `StepResult`. It reads no value on the way."""
        # Loss and gradient over all processes
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.gradient.accumulate(batch)
        gradients = [w.grad for w in self.model.parameters() if w.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        norm = norms.norm()

        # Update, unless something isn't finite
        finite = loss[0].isfinite() & norm.isfinite()
        if self.settings.grad_clip is not None:
            torch._foreach_mul_(gradients, (self.settings.grad_clip / norm).clamp(max=1))
        update_if(finite, self.optimizer)
        if self.averaged is not None:
            self.averaged.update(finite)
        return torch.cat([loss, norm[None], norms])

    def settle(self, behind: int = 0) -> None:
        """Count which steps were skipped, except for the latest `behind` steps. This waits for the counted ones."""
        while len(self.unread) > behind:
            was_finite = self.unread.popleft().was_finite
            self.progress.updates += was_finite
            self.progress.skipped += not was_finite
            self.skipped_in_a_row = 0 if was_finite else self.skipped_in_a_row + 1

    def save_model(self, directory: Path, reference: Reference | None, validation: Mapping[str, Any]) -> None:
        """Write the model, with its raw weights beside the averaged ones, as a directory for `from_pretrained`.

        Args:
            directory: A directory that exists is replaced.
            reference: What is usual for this model, if it's known.
            validation: The result on validation images (`card.Result`).
        """
        with replacing_directory(directory) as partial:
            self._write_model(partial, {"validation": validation})
            seal(partial)  # without the reference, which may be replaced
            if reference is not None:
                reference.save(partial, digest(partial / weights.MODEL))

    def save(self, out: Path) -> None:
        """Write everything that the training needs to go on as `last`; the old `last` becomes `previous`."""
        self.settle()
        with replacing_directory(out / LAST, previous=out / PREVIOUS) as partial:
            self._write_model(partial)
            weights.save_tensors(partial / OPTIMIZER, optimizer_tensors(self.optimizer))
            save_json(partial / PROGRESS, asdict(self.progress))
            seal(partial)

    def restore(self, out: Path) -> bool:
        """Continue from the newest checkpoint, after `set_aside_damaged`; False if there is none."""
        checkpoints = present(out)
        if checkpoints:
            self._take(checkpoints[0])
        return bool(checkpoints)

    def start_from(self, model: str) -> None:
        """Begin with the weights of another model of the same architecture.

        Its number of bits may differ, and so may its dequantizer: another one keeps its fresh weights.

        Raises:
            InputError: If there is no such model, or it differs in something else.
        """
        source = Glow.from_pretrained(model)
        mine = replace(self.model.config, num_bits=source.config.num_bits, dequantizer=source.config.dequantizer)
        difference = source.config.difference(mine, "here")
        if sorted(source.class_names) != sorted(self.model.class_names):
            difference.append(f"classes: {listed(source.class_names)} there, {listed(self.model.class_names)} here")
        if difference:
            raise InputError(
                f"{model} is a different model ({'; '.join(difference)}); --from needs one with the same layers."
            )
        self._order_classes(source.class_names)
        tensors = source.state_dict()
        if source.config.dequantizer != self.model.config.dequantizer:
            tensors = {name: value for name, value in tensors.items() if not name.startswith("dequantizer.")}
            tensors |= self.model.dequantizer.state_dict(prefix="dequantizer.")
        self.model.load_state_dict(tensors)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors and counters by name, for a comparison between processes."""
        models = {"model": self.model, "evaluated": self.evaluated}
        named = {f"{part}.{name}": value for part, m in models.items() for name, value in m.state_dict().items()}
        counters = torch.tensor([self.progress.position, self.progress.updates, self.progress.skipped])
        return named | optimizer_tensors(self.optimizer) | {"progress": counters}

    def _take(self, directory: Path) -> None:
        self._take_classes(directory)
        raw = weights.MODEL if self.averaged is None else weights.RAW
        weights.assign(self.model, weights.load_tensors(directory / raw), directory / raw)
        if self.averaged is not None:
            average = weights.load_tensors(directory / weights.MODEL)
            weights.assign(self.averaged.module, average, directory / weights.MODEL)
        restore_optimizer(self.optimizer, directory / OPTIMIZER)
        self.captured = self.captured and Captured()  # a graph would go on with the tensors of before
        try:
            self.progress = Progress(**load_json(directory / PROGRESS))
        except TypeError:
            raise InputError(f"{directory / PROGRESS} is damaged: it should hold the counters of a training.") from None
        if self.averaged is not None:
            self.averaged.num_updates.fill_(self.progress.updates)

    def _take_classes(self, directory: Path) -> None:
        names, trained = self.model.class_names, StoredModel(str(directory), directory).class_names
        if sorted(trained) != sorted(names):
            raise InputError(
                f"The classes of the data are {listed(names)} now; {directory} was trained on {listed(trained)}."
            )
        self._order_classes(trained)

    def _order_classes(self, names: Sequence[str]) -> None:
        """Number the classes as the loaded weights do. The data may number them in another order."""
        self.model.class_names = list(names)
        self.evaluated.class_names = list(names)

    def _write_model(self, directory: Path, results: Mapping[str, Any] | None = None) -> None:
        precision = str(self.model.execution.precision or self.model.dtype).removeprefix("torch.")
        known = {"data": self.data, "images": self.progress.position, "precision": precision, **(results or {})}
        save_json(directory / weights.PROVENANCE, provenance() | known)  # before the card, which shows it
        if self.averaged is not None:
            weights.save_tensors(directory / weights.RAW, self.model.state_dict())
        self.evaluated.save_pretrained(directory, "raw" if self.averaged is None else "averaged")
        if self.value_ranges:
            save_json(directory / weights.VALUE_RANGES, self.value_ranges)
        if self.images:
            save_json(directory / weights.IMAGES, {"digest": self.images})
