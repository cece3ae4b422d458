"""The original's optimiser, Muon beside it, those of torch.optim, and the learning rate's warm-up."""

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Adamax, AdamW, Optimizer

from glowflow.bijections.conditioner import matrices_of
from glowflow.config import TrainConfig

EPSILON = 1e-8
MOMENTUM = 0.95
"""Muon's."""


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
            self._update_all([parameter for parameter in group["params"] if parameter.grad is not None], group)

    def _update_all(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for t, together in self._by_step(parameters, group["first_t"]).items():
            self._update(together, t, group["lr"], *group["betas"])

    def _by_step(self, parameters: list[Tensor], first_t: int) -> dict[int, list[Tensor]]:
        """The parameters by their t, which is the same for all that have always had gradients."""
        by_step: dict[int, list[Tensor]] = {}
        for w in parameters:
            if not self.state[w]:
                self.state[w].update(step=torch.tensor(0), m=torch.zeros_like(w), v=torch.zeros_like(w))
            t = int(self.state[w]["step"]) + first_t  # on the CPU, so this waits for nothing
            by_step.setdefault(t, []).append(w)
        return by_step

    def _update(self, parameters: list[Tensor], t: int, lr: float, beta1: float, beta2: float) -> None:
        """One update of all parameters, each line for all of them together."""
        states, gradients = [self.state[w] for w in parameters], [cast("Tensor", w.grad) for w in parameters]
        m, v = [state["m"] for state in states], [state["v"] for state in states]
        torch._foreach_lerp_(m, gradients, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_maximum_(v, list(torch._foreach_abs(gradients)))
        step_size = lr * sqrt(1 - beta2**t) / (1 - beta1**t)
        torch._foreach_addcdiv_(parameters, m, torch._foreach_add(v, EPSILON), value=-step_size)
        torch._foreach_add_([state["step"] for state in states], 1)


class GlowMuon(GlowAdamax):
    """Muon for matrices, such as the kernels of convolutions; GlowAdamax for everything else.

    m = 0.95 m + 0.05 g;  O = orthogonalized(0.95 m + 0.05 g);  w = w - lr 0.2 sqrt(max(rows, columns)) O,

    with a kernel (C_out, C_in, k, k) as the matrix of C_out rows. Its steps are then as long as Adam's, so that one
    learning rate serves both. Muon: Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the factor: Liu et al. 2025
    (Muon is Scalable for LLM Training), section 2.2. `torch.optim.Muon` takes matrices only.

    Args:
        params: The parameters.
        matrices: Those of them that are matrices, (rows, ...).
        lr: Learning rate.
        betas: GlowAdamax's.
        precision: Of the orthogonalisation, which is approximate anyway; None for the parameters' own.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        matrices: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        precision: torch.dtype | None = None,
    ) -> None:
        super().__init__(params, lr, betas)
        self.matrices = {id(w) for w in matrices}
        self.precision = precision

    def _update_all(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        kernels: dict[torch.Size, list[Tensor]] = {}
        for w in parameters:
            if id(w) in self.matrices:
                kernels.setdefault(w.shape, []).append(w)
        super()._update_all([w for w in parameters if id(w) not in self.matrices], group)
        for together in kernels.values():
            self._update_kernels(together, group["lr"])

    def _update_kernels(self, kernels: list[Tensor], lr: float) -> None:
        """One update of kernels of one shape, which are orthogonalised together."""
        for w in kernels:
            if not self.state[w]:
                self.state[w]["m"] = torch.zeros_like(w)
        m, gradients = [self.state[w]["m"] for w in kernels], [cast("Tensor", w.grad) for w in kernels]
        torch._foreach_lerp_(m, gradients, 1 - MOMENTUM)
        ahead = torch.stack(torch._foreach_lerp(gradients, m, MOMENTUM)).flatten(2)
        step_size = lr * 0.2 * sqrt(max(ahead.shape[1:]))
        updates = orthogonalized(ahead, self.precision).unflatten(2, kernels[0].shape[1:])
        torch._foreach_add_(kernels, list(updates), alpha=-step_size)


def orthogonalized(matrices: Tensor, precision: torch.dtype | None = None) -> Tensor:
    """About U V^T of matrices U S V^T, (N, rows, columns), of any scale: singular values become 0.7 to 1.2.

    By five steps of the polynomial 3.4445 s - 4.775 s^3 + 2.0315 s^5, in the given precision. Jordan et al. 2024.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalized(matrices.mT, precision).mT
    x = (matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-20)).to(precision or matrices.dtype)
    for _ in range(5):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return x.to(matrices.dtype)


def build_optimizer(model: nn.Module, config: TrainConfig, precision: torch.dtype | None = None) -> Optimizer:
    """The optimiser that the configuration names, for a model; Muon's matrix products in the given precision."""
    parameters, betas = model.parameters(), (config.beta1, config.beta2)
    match config.optimizer:
        case "glow-adamax":
            return GlowAdamax(parameters, config.lr, betas)
        case "muon":
            return GlowMuon(parameters, matrices_of(model), config.lr, betas, precision)
        case "adamax":
            return Adamax(parameters, config.lr, betas)
        case "adam":
            return Adam(parameters, config.lr, betas)
        case "adamw":
            return AdamW(parameters, config.lr, betas)


def learning_rate(config: TrainConfig, position: int) -> float:
    """The learning rate of the step that starts after `position` images.

    Up from 0, linearly; constant; falling with the root of the images, if it's to decay; and down to 0, linearly.

    >>> learning_rate(TrainConfig(lr=1e-3, warmup_images=500_000), 250_000)
    0.0005
    >>> learning_rate(TrainConfig(lr=1e-3, decay_from=25_000), 100_000)
    0.0005
    """
    up = position / config.warmup_images if config.warmup_images else 1.0
    falling = sqrt(config.decay_from / max(position, config.decay_from)) if config.decay_from else 1.0
    down = (config.images - position) / config.cooldown_images if config.cooldown_images else 1.0
    return config.lr * max(0.0, min(1.0, up, down)) * falling
