"""How a level's layers are run: fused, in low precision, with or without keeping what the backward pass needs.

What is computed stands in the bijections; each way here is tested against their plain forward and inverse.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from glowflow.bijections import Bijection, Coupling, Step
from glowflow.bijections.base import per_channel, per_image
from glowflow.bijections.conv1x1 import float64, mix
from glowflow.bijections.step import FrozenStep, mixing
from glowflow.compilation import Compiled

Memory = Literal["store", "checkpoint", "reversible"]
Gradients = list[Tensor | None]
"""One per parameter; None where it isn't trained."""

WORTHWHILE = 1.3
"""How many times faster a lower precision has to be before it is chosen."""

ANCHOR_INTERVAL = 8
"""Every so many steps the reversible mode keeps a step's input, which bounds how far rounding errors grow."""


@dataclass(frozen=True)
class Execution:
    """How a model is computed; see `Glow.execute`."""

    memory: Memory = "store"
    precision: torch.dtype | None = None
    compiled: bool = False


def fast_precision(device: str | torch.device) -> torch.dtype | None:
    """torch.bfloat16 where matrices multiply much faster in it on this device, else None; found by trying."""
    seconds = {dtype: _multiplication_seconds(torch.device(device), dtype) for dtype in (torch.float32, torch.bfloat16)}
    return torch.bfloat16 if seconds[torch.float32] > WORTHWHILE * seconds[torch.bfloat16] else None


def _multiplication_seconds(device: torch.device, dtype: torch.dtype) -> float:
    """The shortest of a few trials."""
    size = 512 if device.type == "cpu" else 4096  # a GPU must have something to do
    matrix, seconds = torch.ones(size, size // 2, device=device, dtype=dtype), []
    for _ in range(5):
        began = time.perf_counter()
        (matrix @ matrix.T).sum().item()  # waits for the device
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def forward(level: Iterable[Bijection], x: Tensor, execution: Execution) -> tuple[Tensor, Tensor]:
    """What `Chain.forward` computes of these bijections, with each run of steps fused.

    Args:
        level: Bijections, some of which may be `Step`s.
        x: (B, C, H, W).
        execution: How. The memory "store" keeps every intermediate tensor for the backward pass; "checkpoint" keeps
            each step's input and runs the step again; "reversible" keeps the output of a run of steps, and undoes them
            one by one. All but the last can be compiled.
    """
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
    """What `Chain.inverse` computes of these bijections."""
    for bijection in reversed(list(level)):
        is_compiled = execution.compiled and isinstance(bijection, FrozenStep)
        y = _compiled_unstep(bijection, y) if is_compiled else bijection.inverse(y)
    return y


def _unstep(step: Bijection, y: Tensor) -> Tensor:
    return step.inverse(y)


def _steps(steps: Sequence[Step], x: Tensor, execution: Execution) -> tuple[Tensor, Tensor]:
    matrices, biases, log_abs_dets = mixing(steps)
    constant = prod(x.shape[2:]) * log_abs_dets.sum().to(x)
    couplings = [step.coupling for step in steps]
    if execution.memory == "reversible":
        parameters = [parameter for coupling in couplings for parameter in coupling.parameters()]
        y, log_det = _Reversible.apply(couplings, x, matrices, biases, *parameters)  # type: ignore[no-untyped-call]
        return y, log_det + constant
    run = _compiled_step if execution.compiled else _step
    log_det = x.new_zeros(len(x))
    for coupling, matrix, bias in zip(couplings, matrices.unbind(), biases.unbind(), strict=True):
        if execution.memory == "checkpoint":
            x, term = checkpoint(run, coupling, x, matrix, bias, use_reentrant=False)
        else:
            x, term = run(coupling, x, matrix, bias)
        log_det = log_det + term
    return x, log_det + constant


def _step(coupling: Coupling, x: Tensor, matrix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    y, log_det = coupling(mix(x, matrix, bias))
    return y, log_det


_compiled_step, _compiled_unstep = Compiled(_step), Compiled(_unstep)


class _Reversible(torch.autograd.Function):
    """A run of steps whose backward pass recomputes each step's input from its output.

    The parameters are inputs, and their gradients are returned, so that hooks on them (as of distributed training)
    work as usual.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch's context)
        couplings: Sequence[Coupling],
        x: Tensor,
        matrices: Tensor,
        biases: Tensor,
        *_parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        log_det, anchors = x.new_zeros(len(x)), []
        for index, coupling in enumerate(couplings):
            if index % ANCHOR_INTERVAL == 0 and index > 0:
                anchors.append(x)
            x, term = _step(coupling, x, matrices[index], biases[index])
            log_det = log_det + term
        ctx.couplings = couplings
        ctx.save_for_backward(x, matrices, biases, *anchors)
        return x, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y, matrices, biases, *anchors = ctx.saved_tensors
        inverses = torch.linalg.inv(float64(matrices)).to(matrices)
        grad_matrices, grad_biases = torch.empty_like(matrices), torch.empty_like(biases)
        grad_parameters: Gradients = []
        for index, coupling in reversed(list(enumerate(ctx.couplings))):
            u, grad_u, grads = _undo(coupling, y, grad_y, grad_log_det)
            grad_parameters[:0] = grads
            if index % ANCHOR_INTERVAL == 0 and index > 0:
                y = anchors.pop()
            else:
                y = mix(u - per_channel(biases[index], u), inverses[index])
            grad_matrices[index] = _outer(grad_u, y)
            grad_biases[index] = grad_u.sum([0, *range(2, grad_u.ndim)])
            grad_y = mix(grad_u, matrices[index].T)
        return None, grad_y, grad_matrices, grad_biases, *grad_parameters


def _outer(grad_u: Tensor, y: Tensor) -> Tensor:
    """The gradient (C, C) of the matrix W, where u = W y at every position."""
    grad_u, y = (values.reshape(*values.shape[:2], -1) for values in (grad_u, y))
    return torch.einsum("bop,bip->oi", grad_u, y)


def _undo(coupling: Coupling, y: Tensor, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor, Tensor, Gradients]:
    """The coupling's input, and the gradients of it and of the parameters; its network runs once, for both."""
    mask, parameters = coupling.mask, list(coupling.parameters())
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    y_a, y_b = mask.split(y)
    with torch.enable_grad():
        x_a = y_a.detach().requires_grad_()
        h = coupling.condition(x_a)
        x_b = coupling.untransform(y_b, h).detach().requires_grad_()
        again, log_derivative = coupling.transform(x_b, h)
        log_det = per_image(log_derivative)
        outputs = {mask.join(x_a, again): grad_y, log_det: grad_log_det}
        outputs = {output: grad for output, grad in outputs.items() if output.requires_grad}  # not additive's log_det
        inputs = [x_a, x_b, *trained]
        grad_a, grad_b, *grads = torch.autograd.grad(list(outputs), inputs, list(outputs.values()), allow_unused=True)
    found = dict(zip(trained, grads, strict=True))
    laid_out = [_like(found.get(parameter), parameter) for parameter in parameters]
    return mask.join(y_a, x_b.detach()), mask.join(grad_a, grad_b), laid_out


def _like(grad: Tensor | None, parameter: Tensor) -> Tensor | None:
    """The gradient laid out as its parameter, so that autograd keeps it as it is, and no copy of a whole level's."""
    return grad if grad is None or grad.stride() == parameter.stride() else torch.empty_like(parameter).copy_(grad)
