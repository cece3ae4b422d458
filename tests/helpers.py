"""What several tests need."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from glowflow.training import TrainingState

Module = TypeVar("Module", bound=nn.Module)


@torch.no_grad()
def randomize(module: Module, std: float = 0.2) -> Module:
    """Move every parameter away from its start, where much is zero and a wrong factor would not show."""
    for parameter in module.parameters():
        parameter.add_(std * torch.randn_like(parameter))
    return module


def assert_same(first: TrainingState, second: TrainingState) -> None:
    """Weights, averages, optimisers and counters are equal, bit for bit."""
    torch.testing.assert_close(first.tensors(), second.tensors(), rtol=0, atol=0)
    assert first.progress == second.progress


def jacobian_log_det(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """ln |det| of the Jacobian of each image's (flattened) output, by automatic differentiation."""

    def single(index: int) -> Callable[[Tensor], Tensor]:
        def output(image: Tensor) -> Tensor:
            batch = torch.cat([x[:index], image[None], x[index + 1 :]])
            return function(batch)[index].flatten()

        return output

    rows = [torch.autograd.functional.jacobian(single(i), x[i]).flatten(1) for i in range(len(x))]
    return torch.stack([torch.linalg.slogdet(jacobian).logabsdet for jacobian in rows])
