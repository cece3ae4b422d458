"""The average of the weights over training, which is evaluated and sampled from."""

from collections.abc import Callable

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...] | list[Tensor]


def zero_debiased(beta: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential moving average for `torch.optim.swa_utils.AveragedModel` that is unbiased from the first step.

    After t updates it is sum_i beta^(t-i) w_i / sum_i beta^(t-i), which, updated in place, reads
    average += (w - average) (1 - beta) / (1 - beta^t).
    """

    @torch.no_grad()
    def update(averages: Tensors, weights: Tensors, num_averaged: Tensor | int) -> None:
        step = torch.as_tensor((1 - beta) / (1 - torch.as_tensor(beta, dtype=torch.float64) ** (num_averaged + 1)))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight.detach(), step.to(average))

    return update
