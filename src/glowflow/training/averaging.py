"""The average of the weights over training, which is evaluated and sampled from."""

from collections.abc import Callable

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...] | list[Tensor]

SHARE = 0.1
"""Of the steps so far, what an average reaches back over at most."""


def warmed_up(beta: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential moving average for `torch.optim.swa_utils.AveragedModel` that is short while training is.

    After t earlier updates, average += (w - average) max(1 - beta, 10 / (t + 10)). While the second is larger, weights
    count in proportion to about the ninth power of their step, so the average reaches back over a tenth of the
    training, and doesn't lag behind however early it is looked at. See Karras et al. 2024 (Analyzing and Improving the
    Training Dynamics of Diffusion Models), section 3.1.
    """

    @torch.no_grad()
    def update(averages: Tensors, weights: Tensors, num_averaged: Tensor | int) -> None:
        share = 1 / (1 + SHARE * torch.as_tensor(num_averaged))
        step = share.clamp(min=1 - beta)
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight.detach(), step.to(average))

    return update
