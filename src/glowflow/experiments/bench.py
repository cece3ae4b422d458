"""Speed and memory on this machine, beside the floor: the bare convolutions, in the same type and layout."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.config import GlowConfig, TrainConfig
from glowflow.execution import Execution, Memory
from glowflow.experiments.allocations import activation_bytes
from glowflow.images import bits_per_dim
from glowflow.model import Glow
from glowflow.progress import progress
from glowflow.training.optimizer import build_optimizer

Work = Callable[[], None]
MEMORIES: tuple[Memory, ...] = get_args(Memory)


@dataclass(frozen=True)
class Timing:
    """Of one piece of work, measured in turn with the others."""

    name: str
    seconds: float
    """Median over the rounds."""
    images_per_second: float
    ratio: float
    """Median over the rounds of its time by the floor's in the same round."""


def timings(works: dict[str, Work], floor: str, batch_size: int, rounds: int) -> list[Timing]:
    """Run each piece of work once per round, in turn, after a round that isn't counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    with progress("Timing", (rounds + 1) * len(works)) as advance:
        for index in range(rounds + 1):
            for name, work in works.items():
                elapsed = _timed(work)
                if index > 0:
                    seconds[name].append(elapsed)
                advance(1, name)
    return [
        Timing(
            name,
            median(values),
            batch_size / median(values),
            median(value / base for value, base in zip(values, seconds[floor], strict=True)),
        )
        for name, values in seconds.items()
    ]


def _timed(work: Work) -> float:
    _synchronize()
    began = time.perf_counter()
    work()
    _synchronize()
    return time.perf_counter() - began


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def training(config: GlowConfig, execution: Execution, x: Tensor) -> Work:
    """A training step on the batch x: forward, backward, update."""
    model = _built(config, x).execute(execution)
    optimizer = build_optimizer(model.parameters(), TrainConfig(lr=1e-6))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        _loss(model, x).backward()
        optimizer.step()

    return step


def sampling(config: GlowConfig, precision: torch.dtype | None, x: Tensor) -> Work:
    """Drawing as many images as the batch x has."""
    frozen = _built(config, x).execute(Execution(precision=precision)).freeze()
    y = _labels(config, x)
    return lambda: void(frozen.sample(len(x), 0.7, y))


def convolutions(config: GlowConfig, precision: torch.dtype | None, x: Tensor, *, backward: bool) -> Work:
    """The floor: the couplings' convolutions alone, forward, or forward and backward."""
    layers = [layer for level in range(config.num_levels) for layer in _level_convolutions(config, level, x, precision)]

    def run() -> None:
        with torch.set_grad_enabled(backward):
            for inputs, kernel in layers:
                output = F.conv2d(inputs, kernel, padding=kernel.shape[-1] // 2)
                if backward:
                    torch.autograd.grad(output, [inputs, kernel], output.detach())

    return run


def _level_convolutions(
    config: GlowConfig, level: int, x: Tensor, precision: torch.dtype | None
) -> list[tuple[Tensor, Tensor]]:
    """Input and kernel of each convolution of a level."""
    channels, height, width = config.image_shape
    half, size = channels << (level + 1), (height >> (level + 1), width >> (level + 1))
    outputs = half if config.coupling == "additive" else 2 * half
    sizes = ((half, config.width, 3), (config.width, config.width, 1), (config.width, outputs, 3))

    def tensor(*shape: int) -> Tensor:
        values = 0.05 * torch.randn(*shape, device=x.device, dtype=precision or x.dtype)
        return values.contiguous(memory_format=torch.channels_last).requires_grad_()

    inputs = {count: tensor(len(x), count, *size) for count in {half, config.width}}
    return [(inputs[i], tensor(o, i, kernel, kernel)) for _ in range(config.steps) for i, o, kernel in sizes]


def activations(
    config: GlowConfig, depths: Sequence[int], precision: torch.dtype | None, x: Tensor
) -> list[dict[str, int | str]]:
    """Activation memory in bytes of a training step for each depth K and memory mode."""
    rows: list[dict[str, int | str]] = []
    with progress("Memory", len(depths) * len(MEMORIES)) as advance:
        for steps in depths:
            model = _built(replace(config, steps=steps), x)
            for memory in MEMORIES:
                model.execute(Execution(memory, precision)).zero_grad(set_to_none=True)
                held = activation_bytes(lambda model=model: _loss(model, x), model.parameters())  # type: ignore[misc]
                rows.append({"steps": steps, "memory": memory, "bytes": held})
                advance(1, f"K = {steps}, {memory}")
    return rows


def _built(config: GlowConfig, x: Tensor) -> Glow:
    torch.manual_seed(0)
    model = Glow(config).to(x.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.initialize(x)
    return model


def _loss(model: Glow, x: Tensor) -> Tensor:
    config = model.config
    return bits_per_dim(model.log_prob(x, _labels(config, x)), config.num_dims, config.num_bits).mean()


def _labels(config: GlowConfig, x: Tensor) -> Tensor | None:
    return torch.zeros(len(x), dtype=torch.int64, device=x.device) if config.num_classes else None


def void(_: object) -> None:
    """Nothing."""
