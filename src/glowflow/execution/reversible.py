"""Training in memory that doesn't grow with depth: steps are undone in the backward pass instead of being stored."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glowflow.bijections.conv1x1 import float64, mix, mix_backward
from glowflow.execution.memory import MemoryMode, MixedStep, Prepare, RunStep, run_step
from glowflow.parts import MEMORIES
from glowflow.parts import Reversible as Options

Gradients = list[Tensor | None]
"""One for each tensor; None where it isn't trained."""

TOGETHER = 8
"""Steps that are prepared at once."""


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

    def run(self, steps: Sequence[MixedStep], x: Tensor, prepare: Prepare, run_step: RunStep) -> tuple[Tensor, Tensor]:
        """One after the other, as one function of autograd's."""
        matrices, biases = (torch.stack(values) for values in zip(*((s.matrix, s.bias) for s in steps), strict=True))
        parameters = [parameter for step in steps for parameter in step.coupling.parameters()]
        return _Undone.apply(self, steps, prepare, x, matrices, biases, *parameters)  # type: ignore[no-untyped-call]


class _Undone(torch.autograd.Function):
    """A run of steps whose backward pass recomputes each step's input from its output.

    The parameters are inputs, and their gradients are returned, so that hooks on them (as of distributed training)
    work as usual. Steps are prepared some at a time, so that no copy of a whole level's parameters is held.
    """

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 (the parameters have to be arguments)
        ctx: Any,  # noqa: ANN401 (torch's context)
        mode: Reversible,
        steps: Sequence[MixedStep],
        prepare: Prepare,
        x: Tensor,
        matrices: Tensor,
        biases: Tensor,
        *_parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.mode, ctx.steps, ctx.prepare = mode, steps, prepare
        log_dets, anchors = [], []
        for start in range(0, len(steps), TOGETHER):
            for index, step in enumerate(prepare(steps[start : start + TOGETHER]), start):
                if index % mode.anchor_interval == 0 and index > 0:
                    anchors.append(x)
                x, log_det = run_step(x, step)
                log_dets.append(log_det)
        ctx.save_for_backward(x, matrices, biases, *anchors)
        return x, torch.stack(log_dets).sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y, matrices, biases, *anchors = ctx.saved_tensors
        inverses = torch.linalg.inv(float64(matrices))
        unbiases = -(inverses @ float64(biases)[:, :, None])[:, :, 0]
        unmix = list(zip(inverses.to(matrices).unbind(), unbiases.to(biases).unbind(), strict=True))
        grad_matrices: list[Tensor] = []
        grad_biases: list[Tensor] = []
        grad_parameters: Gradients = []
        for start in reversed(range(0, len(ctx.steps), TOGETHER)):
            group = _Group(ctx.steps[start : start + TOGETHER], ctx.prepare)
            for index in reversed(range(start, start + len(group.steps))):
                u, grad_u = group.undo(index - start, y, grad_y, grad_log_det)
                is_anchor = index % ctx.mode.anchor_interval == 0 and index > 0
                y = anchors.pop() if is_anchor else mix(u, *unmix[index])
                grad_y, grad_matrix, grad_bias = mix_backward(grad_u, y, matrices[index])
                grad_matrices.insert(0, grad_matrix)
                grad_biases.insert(0, grad_bias)
            grad_parameters[:0] = group.gradients()
        return None, None, None, grad_y, torch.stack(grad_matrices), torch.stack(grad_biases), *grad_parameters


class _Group:
    """Some steps that are prepared together, and the gradients of what is inside their couplings."""

    def __init__(self, steps: Sequence[MixedStep], prepare: Prepare) -> None:
        with torch.enable_grad():
            self.steps = prepare(steps)
        self.prepared = [weight for step in self.steps for weight in step.weights if weight.requires_grad]
        parameters = [parameter for step in steps for parameter in step.coupling.parameters()]
        self.parameters = parameters
        self.found: dict[Tensor, Tensor | None] = {}

    def undo(self, index: int, y: Tensor, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor, Tensor]:
        """A coupling's input and its gradient, given those of its output; its network runs once, for both."""
        step = self.steps[index]
        coupling, mask = step.coupling, step.coupling.mask
        leaves = tuple(weight.detach().requires_grad_(weight.requires_grad) for weight in step.weights)
        inside = dict(zip(leaves, step.weights, strict=True)) | {w: w for w in coupling.parameters()}
        trained = [leaf for leaf in inside if leaf.requires_grad]
        y_a, y_b = mask.split(y)
        grad_a, grad_b = mask.split(grad_y)
        with torch.enable_grad():
            x_a = y_a.detach().requires_grad_()
            h = coupling.condition(x_a, leaves)
            x_b = coupling.untransform(y_b, h).detach().requires_grad_()
            again, log_derivative = coupling.transform(x_b, h)
            of_log = grad_log_det.view(-1, *[1] * (y.ndim - 1)).expand_as(log_derivative)
            outputs = {again: grad_b, log_derivative: of_log}
            outputs = {output: grad for output, grad in outputs.items() if output.requires_grad}  # not additive's
            through_h, grad_b, *grads = torch.autograd.grad(
                list(outputs), [x_a, x_b, *trained], list(outputs.values()), allow_unused=True
            )
        self.found |= {inside[leaf]: grad for leaf, grad in zip(trained, grads, strict=True)}
        return mask.join(y_a, x_b.detach()), mask.join(grad_a + through_h, grad_b)

    def gradients(self) -> Gradients:
        """Those of all parameters in the couplings, also by way of what was prepared from them."""
        trained = [parameter for parameter in self.parameters if parameter.requires_grad]
        grads = [self.found[weight] for weight in self.prepared]
        if self.prepared and trained:
            through = torch.autograd.grad(self.prepared, trained, grads, allow_unused=True)
            self.found |= {w: grad for w, grad in zip(trained, through, strict=True) if grad is not None}
        return [_like(self.found.get(parameter), parameter) for parameter in self.parameters]


def _like(grad: Tensor | None, parameter: Tensor) -> Tensor | None:
    """The gradient laid out as its parameter, so that autograd keeps it as it is, and no copy of a whole level's."""
    return grad if grad is None or grad.stride() == parameter.stride() else torch.empty_like(parameter).copy_(grad)
