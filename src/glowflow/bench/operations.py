"""The number of operations in a training step, which is the same on every machine and bounds small models on GPUs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from glowflow.bench.work import batch
from glowflow.config import RunConfig
from glowflow.execution import Execution
from glowflow.training import Batch, Options, TrainingState

WITHOUT_KERNEL = {"_unsafe_view", "detach", "empty", "empty_like", "empty_strided", "lift_fresh", "new_empty"}
"""Operations that run no kernel. Those that give views of their inputs run none either."""
BATCH = 2
"""The number of images, on which the count doesn't depend."""


class Operations(TorchDispatchMode):
    """Counts the operations of PyTorch that run a kernel, by their names.

    An operation over many tensors (`_foreach_add_`) counts as one. Custom functions count as the operations they run.

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
    ) -> Any:  # noqa: ANN401 (any operation's result)
        assert isinstance(func, OpOverload)  # noqa: S101  for mypy
        namespace, _, name = func._schema.name.partition("::")
        if namespace == "aten" and name not in WITHOUT_KERNEL and not func.is_view:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def count(run: RunConfig, execution: Execution) -> dict[str, Any]:
    """The number of operations in each part of a training step, counted on tensors without values.

    Networks that compute in bfloat16 by autocast are counted in float32, since such tensors have no autocast. The
    networks of the published configurations cast by themselves.

    "update" is the gradient's norm and clipping and the optimiser, "step" is the sum of all parts, and
    "per_step_of_flow" is what a further step of flow adds to "forward" and "backward".
    """
    forward, backward = _gradient(run, execution)
    twice = sum(_gradient(_doubled(run), execution))
    state, images = _state(run, execution)
    state.step(images)  # the first step makes the optimiser's state
    with Operations() as whole:
        state.step(images)
    averages = 0
    if state.averaged is not None:
        with Operations() as averaging:
            state.averaged.update(torch.ones((), dtype=torch.bool, device="meta"))
        averages = averaging.counts.total()
    step = whole.counts.total()
    update = step - forward - backward - averages
    steps = sum(run.model.at(level).steps for level in range(run.model.num_levels))
    per_step = (twice - forward - backward) / steps
    parts = {"forward": forward, "backward": backward, "update": update, "averages": averages, "step": step}
    return parts | {"per_step_of_flow": per_step}


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
    """A training and a batch of tensors without values."""
    run = replace(run, train=replace(run.train, batch_size=BATCH))
    state = TrainingState.new(run, "meta", options=Options(execution))
    state.lag = 2  # the numbers of neither step are read
    return state, batch(run.model, torch.empty(BATCH, *run.model.image_shape)).to("meta")
