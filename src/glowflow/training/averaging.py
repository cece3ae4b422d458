"""The average of the weights over training, which is evaluated and sampled from."""

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from glowflow.training.side_by_side import SideBySide

SHARE = 0.1
"""Of the steps so far, what an average reaches back over at most."""

Model = TypeVar("Model", bound=nn.Module)


class Average(nn.Module, Generic[Model]):
    """A copy of a model whose weights are an exponential moving average, which is short while training is.

    After t earlier updates, average += (w - average) max(1 - beta, 10 / (t + 10)). While the second is larger, weights
    count in proportion to about the ninth power of their step, so the average reaches back over a tenth of the
    training, and doesn't lag behind however early it is looked at. See Karras et al. 2024 (Analyzing and Improving the
    Training Dynamics of Diffusion Models), section 3.1.

    Unlike `torch.optim.swa_utils.AveragedModel` it averages all weights at once, and never waits for the device.

    Args:
        model: Whose weights are averaged.
        beta: See above.
    """

    num_updates: Tensor

    def __init__(self, model: Model, beta: float) -> None:
        super().__init__()
        self.module: Model = deepcopy(model)
        self.beta = beta
        self.averages = SideBySide([weight.detach() for weight in self.module.parameters()])
        for weight, view in zip(self.module.parameters(), self.averages.views, strict=True):
            weight.data = view
        self.register_buffer("num_updates", torch.zeros((), device=self.averages.vector.device))

    @torch.no_grad()
    def update(self, model: Model, finite: Tensor | None = None) -> None:
        """Take in the weights of the trained model, unless `finite`, a boolean tensor (), is false."""
        share = (1 / (1 + SHARE * self.num_updates)).clamp(min=1 - self.beta)
        counts = torch.ones_like(share) if finite is None else finite.to(share)
        weights = self.averages.join([weight.detach() for weight in model.parameters()])
        self.averages.vector.lerp_(weights, (share * counts).to(weights))
        self.num_updates += counts
        if buffers := list(self.module.buffers()):
            torch._foreach_copy_(buffers, list(model.buffers()))
