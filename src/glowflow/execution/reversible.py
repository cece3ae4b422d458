"""Training in memory that doesn't grow with depth: steps are undone in the backward pass instead of being stored."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glowflow.bijections import Coupling
from glowflow.bijections.base import per_channel, per_image
from glowflow.bijections.conv1x1 import float64, mix
from glowflow.execution.memory import MemoryMode, RunStep, step
from glowflow.parts import MEMORIES
from glowflow.parts import Reversible as Options

Gradients = list[Tensor | None]
"""One per parameter; None where it isn't trained."""


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

    def run(
        self, couplings: Sequence[Coupling], x: Tensor, matrices: Tensor, biases: Tensor, run_step: RunStep
    ) -> tuple[Tensor, Tensor]:
        """One after the other, as one function of autograd's."""
        parameters = [parameter for coupling in couplings for parameter in coupling.parameters()]
        return _Undone.apply(self.anchor_interval, couplings, x, matrices, biases, *parameters)  # type: ignore[no-untyped-call]


class _Undone(torch.autograd.Function):
    """A run of steps whose backward pass recomputes each step's input from its output.

    The parameters are inputs, and their gradients are returned, so that hooks on them (as of distributed training)
    work as usual.
    """

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 (the parameters have to be arguments)
        ctx: Any,  # noqa: ANN401 (torch's context)
        anchor_interval: int,
        couplings: Sequence[Coupling],
        x: Tensor,
        matrices: Tensor,
        biases: Tensor,
        *_parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.anchor_interval = anchor_interval
        log_det, anchors = x.new_zeros(len(x)), []
        for index, coupling in enumerate(couplings):
            if index % ctx.anchor_interval == 0 and index > 0:
                anchors.append(x)
            x, term = step(coupling, x, matrices[index], biases[index])
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
            if index % ctx.anchor_interval == 0 and index > 0:
                y = anchors.pop()
            else:
                y = mix(u - per_channel(biases[index], u), inverses[index])
            grad_matrices[index] = _outer(grad_u, y)
            grad_biases[index] = grad_u.sum([0, *range(2, grad_u.ndim)])
            grad_y = mix(grad_u, matrices[index].T)
        return None, None, grad_y, grad_matrices, grad_biases, *grad_parameters


def _outer(grad_u: Tensor, y: Tensor) -> Tensor:
    """The gradient (C, C) of the matrix W, where u = W y at every position."""
    grad_u, y = (values.flatten(2) if values.ndim > 2 else values[:, :, None] for values in (grad_u, y))
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
