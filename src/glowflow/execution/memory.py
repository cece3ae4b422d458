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


class Prepared(NamedTuple):
    """A step of flow, with what follows from its weights alone."""

    coupling: Coupling
    matrix: Tensor
    """What mixes the channels before the coupling, (C, C)."""
    bias: Tensor
    """Added then, (C,)."""
    weights: Weights
    """What the coupling's network takes besides its input."""


RunStep: TypeAlias = Callable[[Tensor, Prepared], tuple[Tensor, Tensor]]
"""From x and a step to y and the coupling's log_det (B,): `run_step`."""


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
    def run(self, steps: Sequence[Prepared], x: Tensor, run: RunStep) -> tuple[Tensor, Tensor]:
        """Run the steps one after the other.

        Args:
            steps: K of them.
            x: (B, C, ...).
            run: Runs one step.

        Returns:
            The last step's output, and the sum (B,) of the couplings' log-determinants.
        """


def run_step(x: Tensor, step: Prepared) -> tuple[Tensor, Tensor]:
    """Mix the channels, then couple."""
    y, log_det = step.coupling(mix(x, step.matrix, step.bias), step.weights)
    return y, log_det


@MEMORIES.builds("store")
class Store(MemoryMode):
    """Autograd keeps every intermediate tensor: the fastest, where it fits."""

    def run(self, steps: Sequence[Prepared], x: Tensor, run: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other."""
        log_dets = []
        for step in steps:
            x, log_det = run(x, step)
            log_dets.append(log_det)
        return x, torch.stack(log_dets).sum(0)


@MEMORIES.builds("checkpoint")
class Checkpoint(Store):
    """Autograd keeps the input of each step, and the step is run again in the backward pass."""

    def run(self, steps: Sequence[Prepared], x: Tensor, run: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other, each checkpointed."""

        def again(x: Tensor, step: Prepared) -> tuple[Tensor, Tensor]:
            return checkpoint(run, x, step, use_reentrant=False)

        return super().run(steps, x, again)
