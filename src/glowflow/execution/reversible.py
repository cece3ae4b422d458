"""Training in memory that doesn't grow with depth: steps are undone in the backward pass instead of being stored."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glowflow.bijections.conv1x1 import float64, mix, mix_backward
from glowflow.execution.memory import MemoryMode, Prepared, RunStep, run_step
from glowflow.parts import MEMORIES
from glowflow.parts import Reversible as Options

Gradients = list[Tensor | None]
"""One for each tensor; None where it isn't trained."""


@MEMORIES.builds("reversible")
class Reversible(MemoryMode):
    """Autograd keeps the output of the last step alone, and the steps are undone one by one in the backward pass.

    Args:
        anchor_interval: Every so many steps a step's input is kept, which bounds how far rounding errors grow.
    """

    can_compile = False

    def __init__(self, anchor_interval: int = 8) -> None:
        self.anchor_interval = anchor_interval

    @classmethod
    def build(cls, options: object) -> "Reversible":
        """The mode that an `Execution` names."""
        assert isinstance(options, Options)  # noqa: S101  for mypy
        return cls(options.anchor_interval)

    def run(self, steps: Sequence[Prepared], x: Tensor, run: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other, as one function of autograd's."""
        tensors = [tensor for step in steps for tensor in (step.matrix, step.bias, *_inside(step))]
        return _Undone.apply(self.anchor_interval, steps, x, *tensors)  # type: ignore[no-untyped-call]


def _inside(step: Prepared) -> list[Tensor]:
    """What a step's coupling depends on besides its input."""
    return [*step.weights, *step.coupling.parameters()]


class _Undone(torch.autograd.Function):
    """A run of steps whose backward pass recomputes each step's input from its output.

    What each step depends on are inputs, and their gradients are returned, so that hooks on parameters (as of
    distributed training) work as usual.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch's context)
        anchor_interval: int,
        steps: Sequence[Prepared],
        x: Tensor,
        *_tensors: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.anchor_interval, ctx.steps = anchor_interval, [_detached(step) for step in steps]
        log_dets, anchors = [], []
        for index, step in enumerate(steps):
            if _is_anchor(index, anchor_interval):
                anchors.append(x)
            x, log_det = run_step(x, step)
            log_dets.append(log_det)
        ctx.save_for_backward(x, *anchors)
        return x, torch.stack(log_dets).sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y, *anchors = ctx.saved_tensors
        gradients: Gradients = []
        for index, unmix in reversed(list(enumerate(_unmixings(ctx.steps)))):
            step = ctx.steps[index]
            u, grad_u, grads = _undo(step, y, grad_y, grad_log_det)
            y = anchors.pop() if _is_anchor(index, ctx.anchor_interval) else mix(u, *unmix)
            grad_y, *of_mixing = mix_backward(grad_u, y, step.matrix)
            gradients[:0] = [*of_mixing, *grads]
        return None, None, grad_y, *gradients


def _is_anchor(index: int, interval: int) -> bool:
    """Whether this step's input is kept."""
    return index % interval == 0 and index > 0


def _detached(step: Prepared) -> Prepared:
    """The step with its own weights as the leaves of a graph."""
    weights = tuple(weight.detach().requires_grad_(weight.requires_grad) for weight in step.weights)
    return step._replace(matrix=step.matrix.detach(), bias=step.bias.detach(), weights=weights)


def _unmixings(steps: Sequence[Prepared]) -> list[tuple[Tensor, Tensor]]:
    """Matrix and bias that undo each step's mixing, computed in float64."""
    matrices, biases = (torch.stack(values) for values in zip(*((s.matrix, s.bias) for s in steps), strict=True))
    inverses = torch.linalg.inv(float64(matrices))
    unbiases = -(inverses @ float64(biases)[:, :, None])[:, :, 0]
    return list(zip(inverses.to(matrices).unbind(), unbiases.to(biases).unbind(), strict=True))


def _undo(step: Prepared, y: Tensor, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor, Tensor, Gradients]:
    """The coupling's input, and the gradients of it and of what is inside; its network runs once, for both."""
    coupling, mask, inside = step.coupling, step.coupling.mask, _inside(step)
    trained = [tensor for tensor in inside if tensor.requires_grad]
    y_a, y_b = mask.split(y)
    grad_a, grad_b = mask.split(grad_y)
    with torch.enable_grad():
        x_a = y_a.detach().requires_grad_()
        h = coupling.condition(x_a, step.weights)
        x_b = coupling.untransform(y_b, h).detach().requires_grad_()
        again, log_derivative = coupling.transform(x_b, h)
        of_log = grad_log_det.view(-1, *[1] * (y.ndim - 1)).expand_as(log_derivative)
        outputs = {again: grad_b, log_derivative: of_log}
        outputs = {output: grad for output, grad in outputs.items() if output.requires_grad}  # not additive's
        through_h, grad_b, *grads = torch.autograd.grad(
            list(outputs), [x_a, x_b, *trained], list(outputs.values()), allow_unused=True
        )
    found = dict(zip(trained, grads, strict=True))
    laid_out = [_like(found.get(tensor), tensor) for tensor in inside]
    return mask.join(y_a, x_b.detach()), mask.join(grad_a + through_h, grad_b), laid_out


def _like(grad: Tensor | None, parameter: Tensor) -> Tensor | None:
    """The gradient laid out as its parameter, so that autograd keeps it as it is, and no copy of a whole level's."""
    return grad if grad is None or grad.stride() == parameter.stride() else torch.empty_like(parameter).copy_(grad)
