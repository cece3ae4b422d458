"""How many operations a training step runs: the same count on every machine, and what bounds small models on a GPU."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from glowflow.bench.work import batch
from glowflow.config import RunConfig
from glowflow.execution import Execution
from glowflow.training import Batch, Options, TrainingState

WITHOUT_KERNEL = {"_unsafe_view", "detach", "empty", "empty_like", "empty_strided", "lift_fresh", "new_empty"}
"""Operations that only describe or allocate memory, besides those that give views of their inputs."""


BATCH = 2
"""Images; the number of operations doesn't depend on it."""


class Operations(TorchDispatchMode):
    """Counts the operations of PyTorch that run a kernel, by their names.

    An operation over many tensors (`_foreach_add_`) is one. Functions of our own count as what they run.

    >>> with Operations() as operations:
    ...     _ = torch.zeros(3).view(3, 1) + 1
    >>> operations.counts
    Counter({'zeros': 1, 'add': 1})
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 (whatever the operation gives)
        """Run an operation."""
        assert isinstance(func, OpOverload)  # noqa: S101  for mypy
        namespace, _, name = func._schema.name.partition("::")
        if namespace == "aten" and name not in WITHOUT_KERNEL and not func.is_view:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class StepOperations:
    """How many operations each part of one training step runs."""

    forward: int
    backward: int
    update: int
    """Norm and clipping of the gradient, and the optimiser."""
    averages: int
    step: int
    """All of these."""
    per_step_of_flow: float
    """Forward and backward, for each step of flow that a level has more."""


def count(run: RunConfig, execution: Execution) -> dict[str, Any]:
    """The operations of a training step, counted on tensors without values, which takes no time to compute."""
    forward, backward = _gradient(run, execution)
    twice = sum(_gradient(_doubled(run), execution))
    state, images = _state(run, execution)
    state.step(images)  # the first one makes the optimiser's state
    with Operations() as whole:
        state.step(images)
    averages = 0
    if state.averaged is not None:
        with Operations() as averaging:
            state.averaged.update(state.model, torch.ones((), dtype=torch.bool, device="meta"))
        averages = averaging.counts.total()
    step = whole.counts.total()
    update = step - forward - backward - averages
    steps = sum(run.model.at(level).steps for level in range(run.model.num_levels))
    return asdict(StepOperations(forward, backward, update, averages, step, (twice - forward - backward) / steps))


def _doubled(run: RunConfig) -> RunConfig:
    """The configuration with twice as many steps in each level."""
    steps = tuple(2 * run.model.at(level).steps for level in range(run.model.num_levels))
    return replace(run, model=replace(run.model, steps=steps))


def _gradient(run: RunConfig, execution: Execution) -> tuple[int, int]:
    """The operations of the forward and of the backward pass."""
    state, images = _state(run, execution)
    with Operations() as forward:
        loss = state.gradient.objective(*images).total
    with Operations() as backward:
        loss.backward()
    return forward.counts.total(), backward.counts.total()


def _state(run: RunConfig, execution: Execution) -> tuple[TrainingState, Batch]:
    """A training and a batch, of tensors without values."""
    run = replace(run, train=replace(run.train, batch_size=BATCH))
    state = TrainingState.new(run, "meta", options=Options(execution))
    state.lag = 2  # of the two steps that are counted neither is read
    return state, batch(run.model, torch.empty(BATCH, *run.model.image_shape)).to("meta")
