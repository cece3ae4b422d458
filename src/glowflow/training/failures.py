"""Steps whose loss or gradient isn't finite: which layer is the cause, and when to give up."""

from math import isfinite

import torch
from torch import Tensor, nn

from glowflow.bijections import Bijection, Chain
from glowflow.dequantizers import Dequantizer
from glowflow.model import Glow
from glowflow.training.batches import Batch
from glowflow.training.results import StepResult

MAX_SKIPPED_IN_A_ROW = 25


def find_failure(model: Glow, batch: Batch, result: StepResult) -> str:
    """Name the first layer whose output on a step's batch isn't finite, else the first parameter whose gradient wasn't.

    The weights may have changed since the step. If all outputs are finite with them, the answer is what the step's own
    numbers say.
    """
    failed: list[str] = []
    hooks = [
        module.register_forward_hook(_watch(name, failed))
        for name, module in model.named_modules()
        if isinstance(module, Bijection | Dequantizer) and not isinstance(module, Chain)
    ]
    try:
        with torch.no_grad():
            x, _ = model.dequantizer(batch.images, batch.noise)
            _run_layer_by_layer(model, x, batch.y)
    finally:
        for hook in hooks:
            hook.remove()
    if failed:
        return failed[0]
    if not isfinite(result.loss):
        return "the loss"
    trained = (name for name, parameter in model.named_parameters() if parameter.grad is not None)
    bad = (name for name, norm in zip(trained, result.grad_norms, strict=False) if not isfinite(norm))
    return next((f"the gradient of {name}" for name in bad), "the gradient")


def _run_layer_by_layer(model: Glow, x: Tensor, y: Tensor | None) -> None:
    """The forward pass without the fusions of a training step."""
    *below, last = model.levels
    for level in below:
        x, _ = level(x)[0].chunk(2, dim=1)
    model.prior(last(x)[0], y)


def _watch(name: str, failed: list[str]):  # type: ignore[no-untyped-def]  # noqa: ANN202 (torch's type for a hook is private)
    def hook(module: nn.Module, _: object, output: tuple[Tensor, Tensor]) -> None:
        if not failed and not all(torch.isfinite(tensor).all() for tensor in output):
            failed.append(f"the output of {name} ({type(module).__name__})")

    return hook
