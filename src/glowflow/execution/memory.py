"""What a run of steps keeps for its backward pass: one class for each way, in a registry that can be added to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from glowflow.bijections import Coupling
from glowflow.bijections.conditioner import Weights
from glowflow.bijections.conv1x1 import mix
from glowflow.parts import MEMORIES


class MixedStep(NamedTuple):
    """A step of flow whose first two layers are one map."""

    coupling: Coupling
    matrix: Tensor
    """What mixes the channels before the coupling, (C, C)."""
    bias: Tensor
    """Added then, (C,)."""
    weights: Weights = ()
    """What the coupling's network takes besides its input, where it's prepared."""


Prepare: TypeAlias = Callable[[Sequence[MixedStep]], Sequence[MixedStep]]
"""Computes the `weights` of several steps together, which holds as much memory as their networks' parameters do."""

RunStep: TypeAlias = Callable[[Tensor, MixedStep], tuple[Tensor, Tensor]]
"""From x and a prepared step to y and the coupling's log_det (B,): `run_step`."""


class MemoryMode(ABC):
    """A way to run steps of flow: x -> (y, log_det), whose gradient is that of the plain layers.

    One of your own registers its options and itself with `glowflow.parts.MEMORIES`, as parts of a model do.
    """

    can_compile = True
    """Whether `run_step` may be a compiled function."""

    @classmethod
    def build(cls, _: object) -> "MemoryMode":
        """The mode that an `Execution` names."""
        return cls()

    @abstractmethod
    def run(self, steps: Sequence[MixedStep], x: Tensor, prepare: Prepare, run_step: RunStep) -> tuple[Tensor, Tensor]:
        """Run the steps one after the other.

        Args:
            steps: K of them, not yet prepared.
            x: (B, C, ...).
            prepare: Prepares steps, all at once or some at a time.
            run_step: Runs one step.

        Returns:
            The last step's output, and the sum (B,) of the couplings' log-determinants.
        """


def run_step(x: Tensor, step: MixedStep) -> tuple[Tensor, Tensor]:
    """Mix the channels, then couple."""
    y, log_det = step.coupling(mix(x, step.matrix, step.bias), step.weights)
    return y, log_det


@MEMORIES.builds("store")
class Store(MemoryMode):
    """Autograd keeps every intermediate tensor: the fastest, where it fits."""

    def run(self, steps: Sequence[MixedStep], x: Tensor, prepare: Prepare, run_step: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other."""
        log_dets = []
        for step in prepare(steps):
            x, log_det = run_step(x, step)
            log_dets.append(log_det)
        return x, torch.stack(log_dets).sum(0)


@MEMORIES.builds("checkpoint")
class Checkpoint(Store):
    """Autograd keeps the input of each step, and the step is run again in the backward pass."""

    def run(self, steps: Sequence[MixedStep], x: Tensor, prepare: Prepare, run_step: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other, each checkpointed with its preparation, whose result needn't be held either."""

        def again(x: Tensor, step: MixedStep) -> tuple[Tensor, Tensor]:
            return run_step(x, *prepare([step]))

        def checkpointed(x: Tensor, step: MixedStep) -> tuple[Tensor, Tensor]:
            return checkpoint(again, x, step, use_reentrant=False)

        return super().run(steps, x, list, checkpointed)
