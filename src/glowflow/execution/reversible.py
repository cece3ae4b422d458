"""Training in memory that doesn't grow with depth: the backward pass undoes the steps, so they needn't be stored."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glowflow.bijections import Bijection
from glowflow.bijections.conv1x1 import float64, mix, mix_backward
from glowflow.execution.memory import MemoryMode, MixedStep, Prepare, RunStep, run_step
from glowflow.parts import MEMORIES
from glowflow.parts import Reversible as Options

Gradients = list[Tensor | None]
"""One for each parameter; None for a parameter that isn't trained."""

TOGETHER = 8
"""How many steps are prepared at once. More would need more memory."""


@MEMORIES.builds("reversible")
class Reversible(MemoryMode):
    """Autograd keeps only the output of the last step. The backward pass undoes the steps one by one.

    Args:
        anchor_interval: After every so many steps the output is also kept, as an anchor. This bounds rounding errors.
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
        """One after the other, as a single function for autograd."""
        matrices, biases = (torch.stack(values) for values in zip(*((s.matrix, s.bias) for s in steps), strict=True))
        parameters = _parameters(steps)
        return _Undone.apply(self, steps, prepare, x, matrices, biases, *parameters)  # type: ignore[no-untyped-call]

    def has_anchor(self, index: int) -> bool:
        """True if the input of the step with this index is kept."""
        return index > 0 and index % self.anchor_interval == 0


class _Undone(torch.autograd.Function):
    """A run of steps whose backward pass recomputes each step's input from its output.

    The parameters are inputs, and their gradients are returned. So hooks on parameters, such as those of distributed
    training, work as usual. Steps are prepared some at a time, so that no copy of a whole level's parameters is held.
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
                if mode.has_anchor(index):
                    anchors.append(x)
                x, log_det = run_step(x, step)
                log_dets.append(log_det)
        ctx.save_for_backward(x, matrices, biases, *anchors)
        return x, torch.stack(log_dets).sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y, matrices, biases, *anchors = ctx.saved_tensors
        unmixings = _unmixings(matrices, biases)
        grad_mixings: list[tuple[Tensor, Tensor]] = []
        grad_parameters: Gradients = []
        for start in reversed(range(0, len(ctx.steps), TOGETHER)):
            group = _Group(ctx.steps[start : start + TOGETHER], ctx.prepare)
            for index, step in reversed(list(enumerate(group.steps, start))):
                mixed, grad_mixed = group.undo(step, y, grad_y, grad_log_det)
                y = anchors.pop() if ctx.mode.has_anchor(index) else mix(mixed, *unmixings[index])
                grad_y, grad_matrix, grad_bias = mix_backward(grad_mixed, y, matrices[index])
                grad_mixings.insert(0, (grad_matrix, grad_bias))
            grad_parameters[:0] = group.gradients()
        grad_matrices, grad_biases = map(torch.stack, zip(*grad_mixings, strict=True))
        return None, None, None, grad_y, grad_matrices, grad_biases, *grad_parameters


def _unmixings(matrices: Tensor, biases: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Matrix and bias of the map that undoes the mixing of each step, computed in float64."""
    inverses = torch.linalg.inv_ex(float64(matrices)).inverse  # without a check, which would wait for the device
    unbiases = -(inverses @ float64(biases)[:, :, None])[:, :, 0]
    return list(zip(inverses.to(matrices).unbind(), unbiases.to(biases).unbind(), strict=True))


class _Group:
    """Steps that are prepared together, and the gradients of everything inside their couplings and permutations."""

    def __init__(self, steps: Sequence[MixedStep], prepare: Prepare) -> None:
        with torch.enable_grad():
            self.steps = prepare(steps)
        self.parameters = _parameters(steps)
        self.grads: dict[Tensor, Tensor | None] = {}
        """The gradients found so far, of parameters and of prepared weights."""

    def undo(self, step: MixedStep, y: Tensor, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor, Tensor]:
        """The output of a step's mixing and its gradient, given the step's output and its gradient."""
        x, grad = self._uncouple(step, y, grad_y, grad_log_det)
        return (x, grad) if step.permutation is None else self._unpermute(step.permutation, x, grad, grad_log_det)

    def _unpermute(self, layer: Bijection, y: Tensor, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor, Tensor]:
        """The input of a permutation and its gradient."""
        trained = [parameter for parameter in layer.parameters() if parameter.requires_grad]
        x = layer.inverse(y).detach().requires_grad_()
        with torch.enable_grad():
            outputs = layer(x)
        grad_x, *grads = _gradients(outputs, (grad_y, grad_log_det), (x, *trained))
        self.grads |= zip(trained, grads, strict=True)
        return x.detach(), grad_x

    def _uncouple(self, step: MixedStep, y: Tensor, grad_y: Tensor, grad_log_det: Tensor) -> tuple[Tensor, Tensor]:
        """The input of a step's coupling and its gradient.

        The coupling's network runs once, for both.
        """
        coupling, mask = step.coupling, step.coupling.mask
        leaves = tuple(weight.detach().requires_grad_(weight.requires_grad) for weight in step.weights)
        tensor_of = dict(zip(leaves, step.weights, strict=True)) | {w: w for w in coupling.parameters()}
        trained = [leaf for leaf in tensor_of if leaf.requires_grad]
        (y_a, y_b), (grad_a, grad_b) = mask.split(y), mask.split(grad_y)
        with torch.enable_grad():
            x_a = y_a.detach().requires_grad_()
            h = coupling.condition(x_a, leaves)
        x_b = coupling.untransform(y_b, h.detach()).detach().requires_grad_()
        with torch.enable_grad():
            outputs = coupling.transform(x_b, h)
        grad_log = grad_log_det.view(-1, *[1] * (y.ndim - 1)).expand_as(outputs[1])
        through_h, grad_b, *grads = _gradients(outputs, (grad_b, grad_log), (x_a, x_b, *trained))
        self.grads |= {tensor_of[leaf]: grad for leaf, grad in zip(trained, grads, strict=True)}
        return mask.join(y_a, x_b.detach()), mask.join(grad_a + through_h, grad_b)

    def gradients(self) -> Gradients:
        """The gradients of all parameters, including what they get through prepared weights."""
        prepared = [weight for step in self.steps for weight in step.weights if weight.requires_grad]
        if prepared:
            trained = [parameter for parameter in self.parameters if parameter.requires_grad]
            grads = _gradients(prepared, [self.grads[weight] for weight in prepared], trained)
            self.grads |= {w: grad for w, grad in zip(trained, grads, strict=True) if grad is not None}
        return [_like(self.grads.get(parameter), parameter) for parameter in self.parameters]


def _parameters(steps: Sequence[MixedStep]) -> list[torch.nn.Parameter]:
    """The parameters of all layers that aren't a part of a mixing."""
    layers = [layer for step in steps for layer in (step.permutation, step.coupling) if layer is not None]
    return [parameter for layer in layers for parameter in layer.parameters()]


def _gradients(outputs: Sequence[Tensor], grads: Sequence[Tensor | None], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of the inputs, given those of the outputs, some of which may be constants."""
    grad_of = {output: grad for output, grad in zip(outputs, grads, strict=True) if output.requires_grad}
    return list(torch.autograd.grad(list(grad_of), inputs, list(grad_of.values()), allow_unused=True))


def _like(grad: Tensor | None, parameter: Tensor) -> Tensor | None:
    """The gradient with its parameter's memory layout. Autograd would copy one with another layout."""
    return grad if grad is None or grad.stride() == parameter.stride() else torch.empty_like(parameter).copy_(grad)
