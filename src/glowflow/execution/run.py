"""How a level's layers are run: fused, in low precision, and in a memory mode.

The bijections define what is computed. Tests compare each way of running them with their plain forward and inverse.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import prod
from typing import cast

import torch
from torch import Tensor

from glowflow.bijections import Bijection, Step
from glowflow.bijections.conditioner import prepared
from glowflow.bijections.step import FrozenStep, mixing
from glowflow.errors import InputError
from glowflow.execution.compilation import Compiled
from glowflow.execution.memory import MemoryMode, MixedStep, run_step
from glowflow.parts import MEMORIES, Part


@dataclass(frozen=True)
class Execution:
    """How a model is computed; see `Glow.execute`.

    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig((3, 8, 8), steps=1, width=8)).execute(Execution(memory="reversible"))
    >>> model.execution.memory
    'reversible'
    """

    memory: Part = "store"
    precision: torch.dtype | None = None
    compiled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", MEMORIES.normal(self.memory))
        is_type = isinstance(self.precision, torch.dtype) and self.precision.is_floating_point
        if self.precision is not None and not is_type:
            raise InputError(f"precision is {self.precision!r}; it takes None or a type such as torch.bfloat16.")

    def __hash__(self) -> int:
        return hash((MEMORIES.name_of(self.memory), self.precision, self.compiled))

    @cached_property
    def mode(self) -> MemoryMode:
        """The memory mode that `memory` names."""
        return MEMORIES.build(self.memory)


def forward(level: Iterable[Bijection], x: Tensor, execution: Execution) -> tuple[Tensor, Tensor]:
    """`Chain.forward` for a level's bijections. Consecutive `Step`s are fused, and run as `execution` says."""
    log_det = x.new_zeros(len(x))
    for are_steps, bijections in groupby(level, lambda bijection: isinstance(bijection, Step)):
        if are_steps:
            x, term = _steps(cast("list[Step]", list(bijections)), x, execution)
            log_det = log_det + term
        else:
            for bijection in bijections:
                x, term = bijection(x)
                log_det = log_det + term
    return x, log_det


def inverse(level: Iterable[Bijection], y: Tensor, execution: Execution) -> Tensor:
    """`Chain.inverse` for a level's bijections."""
    for bijection in reversed(list(level)):
        is_compiled = execution.compiled and isinstance(bijection, FrozenStep)
        y = COMPILED_UNSTEP(bijection, y) if is_compiled else bijection.inverse(y)
    return y


def _unstep(step: Bijection, y: Tensor) -> Tensor:
    return step.inverse(y)


def _steps(steps: Sequence[Step], x: Tensor, execution: Execution) -> tuple[Tensor, Tensor]:
    matrices, biases, log_abs_dets = mixing(steps)
    layers = ([step.coupling for step in steps], matrices.unbind(), biases.unbind(), [step.unmixed for step in steps])
    mixed = list(map(MixedStep, *layers))

    def prepare(steps: Sequence[MixedStep]) -> list[MixedStep]:
        networks = [step.coupling.conditioner for step in steps]
        together = prepared(networks, x.shape[2:], execution.precision)
        return [step._replace(weights=weights) for step, weights in zip(steps, together, strict=True)]

    is_compiled = execution.compiled and execution.mode.can_compile
    y, log_det = execution.mode.run(mixed, x, prepare, COMPILED_STEP if is_compiled else run_step)
    return y, log_det + prod(x.shape[2:]) * log_abs_dets.sum().to(x)


COMPILED_STEP, COMPILED_UNSTEP = Compiled(run_step), Compiled(_unstep)
