"""What a step of training found, which the host reads without holding up the device."""

from collections.abc import Sequence
from functools import cached_property
from math import isfinite

import torch
from torch import Tensor

LAGS = {"cuda": 8}
"""How many steps the host stays behind a device that computes on its own, by the device's type; elsewhere none."""


class StepResult:
    """Numbers of a step, of the whole batch over all processes. Whoever reads one waits for the step.

    Args:
        numbers: Loss, bits/dim, bits to name a class, norm of the gradient; (4,) on the device.
        lr: The learning rate.
    """

    def __init__(self, numbers: Tensor, lr: float) -> None:
        self.lr = lr
        self._copied: torch.cuda.Event | None = None
        if numbers.is_cuda:  # copied when the step is done; meanwhile the device goes on
            numbers = numbers.to("cpu", non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()
        self._numbers = numbers

    @cached_property
    def _values(self) -> Sequence[float]:
        if self._copied is not None:
            self._copied.synchronize()
        values: list[float] = self._numbers.tolist()
        return values

    @property
    def loss(self) -> float:
        """What the step lowered: bits/dim, and those of the classes by their weight."""
        return self._values[0]

    @property
    def bits_per_dim(self) -> float:
        """Of the images."""
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
    def was_finite(self) -> bool:
        """Whether loss and gradient were. Only then the weights were updated."""
        return isfinite(self.loss) and isfinite(self.grad_norm)
