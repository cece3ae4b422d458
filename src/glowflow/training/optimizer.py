"""The original's optimiser, those of torch.optim, and the learning rate's warm-up."""

from collections.abc import Callable, Iterable
from math import sqrt

import torch
from torch import Tensor, nn
from torch.optim import Adam, Adamax, AdamW, Optimizer

from glowflow.config import TrainConfig


class GlowAdamax(Optimizer):
    """The original's variant of Adamax.

    m = beta1 m + (1 - beta1) g;  v = max(beta2 v, |g|);
    w = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (v + 1e-8).

    It isn't `torch.optim.Adamax`, which lacks the sqrt(1 - beta2^t). From the original code (optim.py, `adamax`).

    Args:
        params: The parameters.
        lr: Learning rate.
        betas: (beta1, beta2).
        first_t: t of the first step. The original leaves open whether its counter counts before the update or after
            it: 1 is what it means, 2 is what its recorded runs did.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        first_t: int = 1,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "first_t": first_t})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("GlowAdamax takes no closure.")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"], group["betas"], group["first_t"])

    def _update(self, w: Tensor, g: Tensor, lr: float, betas: tuple[float, float], first_t: int) -> None:
        state = self.state[w]
        if not state:
            state.update(step=torch.tensor(0), m=torch.zeros_like(w), v=torch.zeros_like(w))
        beta1, beta2 = betas
        t = int(state["step"]) + first_t  # on the CPU, so this waits for nothing
        m = state["m"].lerp_(g, 1 - beta1)
        v = torch.maximum(state["v"].mul_(beta2), g.abs(), out=state["v"])
        w.addcdiv_(m, v + 1e-8, value=-lr * sqrt(1 - beta2**t) / (1 - beta1**t))
        state["step"] += 1


def build_optimizer(parameters: Iterable[nn.Parameter], config: TrainConfig) -> Optimizer:
    """The optimiser that the configuration names."""
    betas = (config.beta1, config.beta2)
    match config.optimizer:
        case "glow-adamax":
            return GlowAdamax(parameters, config.lr, betas)
        case "adamax":
            return Adamax(parameters, config.lr, betas)
        case "adam":
            return Adam(parameters, config.lr, betas)
        case "adamw":
            return AdamW(parameters, config.lr, betas)


def learning_rate(config: TrainConfig, position: int) -> float:
    """The learning rate of the step that starts after `position` images: linear warm-up from 0, then constant.

    >>> learning_rate(TrainConfig(lr=1e-3, warmup_images=500_000), 250_000)
    0.0005
    """
    return config.lr * min(1.0, position / config.warmup_images) if config.warmup_images else config.lr
