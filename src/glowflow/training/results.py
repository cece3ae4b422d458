"""The numbers of a training step. The host reads them without holding up the device."""

from functools import cached_property
from math import isfinite

import torch
from torch import Tensor

LAGS = {"cuda": 8}
"""How many steps late the host reads results, by the type of the device, so that a GPU always has work; else none."""


class StepResult:
    """Numbers of a step, for the whole batch of all processes. Reading one waits until the step has ended.

    >>> StepResult(torch.tensor([3.5, 3.5, 0.0, 20.0]), lr=0.001).bits_per_dim
    3.5

    Args:
        numbers: Loss, bits/dim, bits to name a class, and the norm of the gradient; then the norms of the gradients
            of each trained parameter, in the order of the model's. (4 + P,) on the device.
        lr: The learning rate.
    """

    def __init__(self, numbers: Tensor, lr: float) -> None:
        self.lr = lr
        self._copied: torch.cuda.Event | None = None
        if numbers.is_cuda:  # the copy is made when the step has ended, and holds up nothing
            numbers = numbers.to("cpu", non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()
        self._numbers = numbers

    @cached_property
    def _values(self) -> list[float]:
        if self._copied is not None:
            self._copied.synchronize()
        return self._numbers.tolist()

    @property
    def loss(self) -> float:
        """The loss that the step lowers, see `Objective`."""
        return self._values[0]

    @property
    def bits_per_dim(self) -> float:
        """Bits/dim of the images."""
        return self._values[1]

    @property
    def bits_y(self) -> float:
        """Bits per image to name its class; 0 without a classifier."""
        return self._values[2]

    @property
    def grad_norm(self) -> float:
        """Norm of all gradients together, before they are clipped."""
        return self._values[3]

    @property
    def grad_norms(self) -> list[float]:
        """Norms of the gradients of each parameter, before they are clipped."""
        return self._values[4:]

    @property
    def was_finite(self) -> bool:
        """True if loss and gradient were finite. Only then the step updated the weights."""
        return isfinite(self.loss) and isfinite(self.grad_norm)
