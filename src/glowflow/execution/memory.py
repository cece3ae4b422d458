"""What a run of steps keeps for its backward pass: one class for each way, in a registry that can be added to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from glowflow.bijections import Coupling
from glowflow.bijections.conv1x1 import mix
from glowflow.parts import MEMORIES

RunStep: TypeAlias = Callable[[Coupling, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From a coupling, x, and the matrix and bias that mix its channels to y and the coupling's log_det (B,): `step`."""


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
    def run(
        self, couplings: Sequence[Coupling], x: Tensor, matrices: Tensor, biases: Tensor, run_step: RunStep
    ) -> tuple[Tensor, Tensor]:
        """Run the steps one after the other.

        Args:
            couplings: One for each of K steps.
            x: (B, C, ...).
            matrices: (K, C, C), what mixes the channels before each coupling.
            biases: (K, C), added then.
            run_step: Runs one step.

        Returns:
            The last step's output, and the sum (B,) of the couplings' log-determinants.
        """


def step(coupling: Coupling, x: Tensor, matrix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Mix the channels, then couple."""
    y, log_det = coupling(mix(x, matrix, bias))
    return y, log_det


@MEMORIES.builds("store")
class Store(MemoryMode):
    """Autograd keeps every intermediate tensor: the fastest, where it fits."""

    def run(
        self, couplings: Sequence[Coupling], x: Tensor, matrices: Tensor, biases: Tensor, run_step: RunStep
    ) -> tuple[Tensor, Tensor]:
        """One after the other."""
        log_det = x.new_zeros(len(x))
        for coupling, matrix, bias in zip(couplings, matrices.unbind(), biases.unbind(), strict=True):
            x, term = run_step(coupling, x, matrix, bias)
            log_det = log_det + term
        return x, log_det


@MEMORIES.builds("checkpoint")
class Checkpoint(Store):
    """Autograd keeps the input of each step, and the step is run again in the backward pass."""

    def run(
        self, couplings: Sequence[Coupling], x: Tensor, matrices: Tensor, biases: Tensor, run_step: RunStep
    ) -> tuple[Tensor, Tensor]:
        """One after the other, each checkpointed."""

        def again(*arguments: object) -> tuple[Tensor, Tensor]:
            return checkpoint(run_step, *arguments, use_reentrant=False)

        return super().run(couplings, x, matrices, biases, again)
