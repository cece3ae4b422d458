"""The average of the weights over the training. Evaluation and samples use this average."""

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from glowflow.training.side_by_side import laid_side_by_side

SHARE = 0.1
"""The largest share of the steps so far that an average reaches back over."""

Model = TypeVar("Model", bound=nn.Module)


class Average(nn.Module, Generic[Model]):
    """A copy of a model whose weights are an exponential moving average, which is shorter early in the training.

    After t earlier updates, average += (w - average) max(1 - beta, 10 / (t + 10)). As long as the second number is the
    larger one, weights count in proportion to about the ninth power of their step. So the average reaches back over a
    tenth of the training, and never lags far behind. See Karras et al. 2024 (Analyzing and Improving the Training
    Dynamics of Diffusion Models), section 3.1.

    `torch.optim.swa_utils.AveragedModel` averages one weight after the other and waits for the device; this class
    averages all weights at once and doesn't wait.

    Args:
        model: The model whose weights are averaged. They become views of one vector.
        beta: The share of the old average in each update, late in the training.
    """

    num_updates: Tensor

    def __init__(self, model: Model, beta: float) -> None:
        super().__init__()
        self.module: Model = deepcopy(model)
        self.beta = beta
        self.averages, self.weights = laid_side_by_side(self.module), laid_side_by_side(model)
        self.trained, self.trained_buffers = list(model.parameters()), list(model.buffers())
        self.register_buffer("num_updates", torch.zeros((), device=self.averages.device))

    @torch.no_grad()
    def update(self, finite: Tensor | None = None) -> None:
        """Update the average with the weights of the trained model, unless `finite`, a boolean tensor (), is false.

        Raises:
            RuntimeError: If the model's weights lie elsewhere now, for example after `model.double()`.
        """
        if self.trained[0].data_ptr() != self.weights.data_ptr():
            raise RuntimeError("The averaged model was moved or cast; make a new Average of it.")
        share = (1 / (1 + SHARE * self.num_updates)).clamp(min=1 - self.beta)
        counts = torch.ones_like(share) if finite is None else finite.to(share)
        self.averages.lerp_(self.weights, (share * counts).to(self.weights))
        self.num_updates += counts
        if self.trained_buffers:
            torch._foreach_copy_(list(self.module.buffers()), self.trained_buffers)
