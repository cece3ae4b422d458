"""What a run of steps keeps for its backward pass: one class for each way, in a registry that others can join."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from glowflow.bijections import Bijection, Coupling
from glowflow.bijections.base import checked
from glowflow.bijections.conditioner import Weights
from glowflow.bijections.conv1x1 import mix
from glowflow.parts import MEMORIES


class MixedStep(NamedTuple):
    """A step of flow whose linear layers are one map, which mixes the channels: matrix x + bias."""

    coupling: Coupling
    matrix: Tensor
    """(C, C)."""
    bias: Tensor
    """(C,)."""
    permutation: Bijection | None = None
    """A permutation that no matrix stands for. It runs after the mixing."""
    weights: Weights = ()
    """What the coupling's network takes besides its input; set by `Prepare`."""


Prepare: TypeAlias = Callable[[Sequence[MixedStep]], Sequence[MixedStep]]
"""Computes the `weights` of several steps together. They take as much memory as the parameters of the networks."""

RunStep: TypeAlias = Callable[[Tensor, MixedStep], tuple[Tensor, Tensor]]
"""From x and a prepared step to y and log_det (B,), which leaves out the mixing's: `run_step`."""


class MemoryMode(ABC):
    """A way to run steps of flow: x -> (y, log_det), with the same gradient as the plain layers.

    You register a mode of your own, and its options, with `glowflow.parts.MEMORIES`, like a part of a model.
    """

    can_compile = True
    """True if `run_step` may be a compiled function."""

    @classmethod
    def build(cls, _: object) -> "MemoryMode":
        """The mode that an `Execution` names."""
        return cls()

    @abstractmethod
    def run(self, steps: Sequence[MixedStep], x: Tensor, prepare: Prepare, run_step: RunStep) -> tuple[Tensor, Tensor]:
        """Run the steps one after the other.

        Args:
            steps: K steps, not yet prepared.
            x: (B, C, ...).
            prepare: Prepares steps, either all of them or some at a time.
            run_step: Runs one step.

        Returns:
            The last step's output, and the sum (B,) of the log-determinants that `run_step` gives.
        """


def run_step(x: Tensor, step: MixedStep) -> tuple[Tensor, Tensor]:
    """Mix the channels, then couple."""
    x, others = mix(x, step.matrix, step.bias), None
    if step.permutation is not None:
        x, others = checked(step.permutation, step.permutation(x), x.shape, x.shape[:1])
    y, log_det = step.coupling(x, step.weights)
    return y, log_det if others is None else log_det + others


@MEMORIES.builds("store")
class Store(MemoryMode):
    """Autograd keeps every intermediate tensor. This is the fastest mode, if memory suffices."""

    def run(self, steps: Sequence[MixedStep], x: Tensor, prepare: Prepare, run_step: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other."""
        log_dets = []
        for step in prepare(steps):
            x, log_det = run_step(x, step)
            log_dets.append(log_det)
        return x, torch.stack(log_dets).sum(0)


@MEMORIES.builds("checkpoint")
class Checkpoint(Store):
    """Autograd keeps only the input of each step. The backward pass runs the step again."""

    def run(self, steps: Sequence[MixedStep], x: Tensor, prepare: Prepare, run_step: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other. The backward pass prepares each step again, too, so prepared weights aren't kept."""

        def again(x: Tensor, step: MixedStep) -> tuple[Tensor, Tensor]:
            return run_step(x, *prepare([step]))

        return super().run(
            steps, x, list, lambda x, step: checkpoint(again, x, step, use_reentrant=False, preserve_rng_state=False)
        )
