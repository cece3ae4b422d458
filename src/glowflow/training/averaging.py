"""The average of the weights over training, which is evaluated and sampled from."""

from collections.abc import Callable
from math import log

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
        exponent = (torch.as_tensor(num_averaged) + 1) * log(beta) if beta else -torch.inf
        step = (beta - 1) / torch.expm1(torch.as_tensor(exponent))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight.detach(), step.to(average))

    return update
