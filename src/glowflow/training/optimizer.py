"""The optimisers (the original's, Muon, and some of torch.optim), and the schedule of the learning rate."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from inspect import unwrap
from math import sqrt
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Adamax, AdamW, Optimizer

from glowflow.bijections.conditioner import matrices_of
from glowflow.config import TrainConfig
from glowflow.training.side_by_side import SideBySide

EPSILON = 1e-8
MOMENTUM = 0.95
"""The share of the old moment in Muon's updates."""


class _Light(Optimizer):
    """An optimiser without the wrappers of torch, which import the compiler (torch._dynamo) to keep it away.

    That import takes as long as all of torch otherwise, at the start of each training.
    """

    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)


class GlowAdamax(_Light):
    """The original's variant of Adamax.

    m = beta1 m + (1 - beta1) g;  v = max(beta2 v, |g|);
    w = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (v + 1e-8).

    `torch.optim.Adamax` lacks the factor sqrt(1 - beta2^t). From the original code (optim.py, `adamax`).

    Args:
        params: The parameters.
        lr: Learning rate.
        betas: (beta1, beta2).
        first_t: t of the first step. The original means 1. Its recorded runs had 2, because its code leaves open
            whether the counter is increased before the update.

    Attributes:
        finite: A boolean tensor () on the parameters' device, or None. If it's false, `step` changes nothing, whatever
            the gradients are. `step` never waits for the device.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        first_t: int = 1,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "first_t": first_t})
        self.finite: Tensor | None = None
        self._updates: dict[int, tuple[tuple[int, ...], list[_Update]]] = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("GlowAdamax takes no closure.")
        for index, group in enumerate(self.param_groups):
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            for update in self._updates_of(index, parameters):
                update(group, self.finite)

    def state_dict(self) -> dict[str, Any]:
        """The settings, and the state of each parameter, which includes its t as `step`."""
        self._store_steps()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self._updates = {}

    def _updates_of(self, index: int, parameters: Sequence[Tensor]) -> "list[_Update]":
        """The updates of a group: those of the last step, unless other parameters have gradients now."""
        ids = tuple(map(id, parameters))
        known, updates = self._updates.get(index, ((), []))
        if known != ids:
            self._store_steps()
            updates = self._divided(parameters)
            self._updates[index] = ids, updates
        return updates

    def _store_steps(self) -> None:
        for _, updates in self._updates.values():
            for update in updates:
                update.store_steps()

    def _divided(self, parameters: Sequence[Tensor]) -> "list[_Update]":
        """The updates of these parameters. Parameters with the same t are updated together."""
        by_step: dict[int, list[Tensor]] = {}
        for w in parameters:
            by_step.setdefault(int(self.state[w].get("step", 0)), []).append(w)
        return [_AdamaxUpdate(together, self.state, step) for step, together in by_step.items()]


class GlowMuon(GlowAdamax):
    """Muon for matrices, such as the kernels of convolutions; GlowAdamax for everything else.

    m = 0.95 m + 0.05 g;  O = orthogonalized(0.95 m + 0.05 g);  w = w - lr 0.2 sqrt(max(rows, columns)) O,

    where a kernel (C_out, C_in, k, k) is a matrix of C_out rows. The factor makes the steps as long as Adam's, so that
    one learning rate serves both. Muon: Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the factor: Liu et al.
    2025 (Muon is Scalable for LLM Training), section 2.2. `torch.optim.Muon` takes only matrices.

    Args:
        params: The parameters.
        matrices: The parameters that are matrices, (rows, ...).
        lr: Learning rate.
        betas: (beta1, beta2) of GlowAdamax.
        precision: The type of the orthogonalisation, which is approximate anyway; None for the parameters' own.
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

    def _divided(self, parameters: Sequence[Tensor]) -> "list[_Update]":
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for w in parameters:
            if id(w) in self.matrices:
                by_shape.setdefault(w.shape, []).append(w)
        muon = [_MuonUpdate(together, self.state, self.precision) for together in by_shape.values()]
        return [*super()._divided([w for w in parameters if id(w) not in self.matrices]), *muon]


State: TypeAlias = MutableMapping[Tensor, dict[str, Any]]


class _Update:
    """Updates parameters together: their moments, gradients and changes stand side by side in vectors."""

    def __init__(self, parameters: Sequence[Tensor], state: State) -> None:
        self.parameters, self.state = list(parameters), state
        self.change = SideBySide(parameters)
        self.m = self.moment("m")

    def moment(self, name: str) -> Tensor:
        """The vector of the parameters' moments of this name. The state of each parameter gets its part, as a view."""
        found = [self.state[w].get(name, torch.zeros_like(w)) for w in self.parameters]
        moments = SideBySide(found, like=self.parameters)
        for w, view in zip(self.parameters, moments.views, strict=True):
            self.state[w][name] = view
        return moments.vector

    def __call__(self, group: Mapping[str, Any], finite: Tensor | None) -> None:
        """Change the parameters as the group's settings say, unless `finite` is false."""
        gradient = self.change.join([cast("Tensor", w.grad) for w in self.parameters])
        if finite is not None:
            gradient = gradient.where(finite, 0.0)  # NaN times 0 would be NaN
        self.update(gradient, group, 1.0 if finite is None else finite.to(gradient.dtype))
        torch._foreach_add_(self.parameters, self.change.views)

    def update(self, gradient: Tensor, group: Mapping[str, Any], share: Tensor | float) -> None:
        """Compute `change`, and update the moments, from the gradient, which may be overwritten.

        `share` is 1, or 0 for a change of 0 that leaves the moments as they are.
        """
        raise NotImplementedError

    def store_steps(self) -> None:
        """Note t in the state of each parameter."""


class _AdamaxUpdate(_Update):
    def __init__(self, parameters: Sequence[Tensor], state: State, step: int) -> None:
        super().__init__(parameters, state)
        self.v = self.moment("v")
        kind = torch.float32 if self.m.device.type == "mps" else torch.float64
        self.t = torch.full((), float(step), dtype=kind, device=self.m.device)

    def update(self, gradient: Tensor, group: Mapping[str, Any], share: Tensor | float) -> None:
        beta1, beta2 = group["betas"]
        self.t += share
        t = (self.t + (group["first_t"] - 1)).clamp(min=1)  # it's 0 if the very first step is left out
        step_size = share * group["lr"] * (1 - beta2**t).sqrt() / (1 - beta1**t)
        self.m.lerp_(gradient, (1 - beta1) * share)
        self.v *= 1 - (1 - beta2) * share
        torch.maximum(self.v, gradient.abs_(), out=self.v)
        torch.mul(self.m, -step_size, out=self.change.vector).div_(self.v + EPSILON)

    def store_steps(self) -> None:
        for w in self.parameters:
            self.state[w]["step"] = self.t.to("cpu", torch.int64, copy=True)


class _MuonUpdate(_Update):
    def __init__(self, parameters: Sequence[Tensor], state: State, precision: torch.dtype | None) -> None:
        super().__init__(parameters, state)
        self.precision = precision

    def update(self, gradient: Tensor, group: Mapping[str, Any], share: Tensor | float) -> None:
        self.m.lerp_(gradient, (1 - MOMENTUM) * share)
        ahead = gradient.lerp_(self.m, MOMENTUM).view(len(self.parameters), len(self.parameters[0]), -1)
        length = 0.2 * sqrt(max(ahead.shape[1:]))
        direction = orthogonalized(ahead, self.precision).flatten()  # the order of columns doesn't matter
        torch.mul(direction, -group["lr"] * length * share, out=self.change.vector)


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter. On a GPU it's kept as a tensor, which a captured step reads."""
    for group in optimizer.param_groups:
        device = group["params"][0].device
        if device.type == "cuda" and isinstance(optimizer, GlowAdamax):
            rate = (
                group["lr"] if isinstance(group["lr"], Tensor) else torch.empty((), dtype=torch.float64, device=device)
            )
            group["lr"] = rate.fill_(lr)
        else:
            group["lr"] = lr


def update_if(finite: Tensor, optimizer: Optimizer) -> None:
    """Make a step of an optimiser, unless `finite`, a boolean tensor (), is false. Those of torch.optim wait for it."""
    if isinstance(optimizer, GlowAdamax):
        optimizer.finite = finite
        optimizer.step()
    elif finite:
        optimizer.step()


def orthogonalized(matrices: Tensor, precision: torch.dtype | None = None) -> Tensor:
    """Roughly U V^T for matrices U S V^T, (N, rows, columns), of any scale: singular values become 0.7 to 1.2.

    The polynomial 3.4445 s - 4.775 s^3 + 2.0315 s^5 is applied five times, in the given precision. Jordan et al. 2024.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalized(matrices.mT, precision).mT
    x = (matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-20)).to(precision or matrices.dtype)
    for _ in range(5):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return x.to(matrices.dtype)


def build_optimizer(model: nn.Module, config: TrainConfig, precision: torch.dtype | None = None) -> Optimizer:
    """The optimiser that the configuration names, for a model; `precision` is Muon's."""
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

    It rises linearly from 0 (warm-up), stays constant, then falls with the root of the number of images (if it decays),
    and at last linearly to 0 (cool-down).

    >>> learning_rate(TrainConfig(lr=1e-3, warmup_images=500_000), 250_000)
    0.0005
    >>> learning_rate(TrainConfig(lr=1e-3, decay_from=25_000), 100_000)
    0.0005
    """
    up = position / config.warmup_images if config.warmup_images else 1.0
    falling = sqrt(config.decay_from / max(position, config.decay_from)) if config.decay_from else 1.0
    down = (config.images - position) / config.cooldown_images if config.cooldown_images else 1.0
    return config.lr * max(0.0, min(1.0, up, down)) * falling
