"""Speed and memory on this machine, beside the floor: the bare convolutions, in the same type and layout."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.config import GlowConfig, TrainConfig
from glowflow.execution import Execution, Memory
from glowflow.experiments.allocations import activation_bytes
from glowflow.experiments.peer import normflows_glow
from glowflow.model import Glow
from glowflow.progress import progress
from glowflow.training.objective import Objective
from glowflow.training.optimizer import build_optimizer

Work = Callable[[], None]
FLOOR = "bare convolutions"
MEMORIES: tuple[Memory, ...] = get_args(Memory)


@dataclass(frozen=True)
class Timing:
    """Of one piece of work, measured in turn with the others."""

    name: str
    seconds: float
    """Median over the rounds."""
    images_per_second: float
    ratio: float
    """Its time by the floor's in the same round, the median over the rounds."""


def timings(works: dict[str, Work], batch_size: int, rounds: int) -> list[Timing]:
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
            median(value / base for value, base in zip(values, seconds[FLOOR], strict=True)),
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


def measure(
    config: GlowConfig, precision: torch.dtype | None, x: Tensor, rounds: int, depths: Sequence[int]
) -> dict[str, Any]:
    """Everything: training and sampling beside their floors (and normflows, where it is installed), and memory.

    Args:
        config: The model.
        precision: Of the couplings' networks; the floor has the same.
        x: A batch of continuous images, on the device to measure.
        rounds: How often each piece of work is timed.
        depths: Numbers of steps K for the memory.
    """
    peer = normflows_glow(config, x)
    train: dict[str, Work] = {FLOOR: convolutions(config, precision, x, backward=True)}
    train |= {memory: training(config, Execution(memory, precision), x) for memory in MEMORIES}
    draw: dict[str, Work] = {FLOOR: convolutions(config, precision, x, backward=False)}
    draw["sample"] = sampling(config, precision, x)
    if peer is not None:
        train["normflows"], draw["normflows"] = peer_training(peer, x), peer_sampling(peer, x)
    return {
        "training": [asdict(timing) for timing in timings(train, len(x), rounds)],
        "sampling": [asdict(timing) for timing in timings(draw, len(x), rounds)],
        "activations": activations(config, depths, precision, x),
    }


def training(config: GlowConfig, execution: Execution, x: Tensor) -> Work:
    """A training step on the batch x: forward, backward, update."""
    model = _built(config, x).execute(execution)
    return _stepping(partial(_loss, model, x), build_optimizer(model.parameters(), TrainConfig(lr=1e-6)))


def sampling(config: GlowConfig, precision: torch.dtype | None, x: Tensor) -> Work:
    """Drawing as many images as the batch x has."""
    frozen = _built(config, x).execute(Execution(precision=precision)).freeze()
    y = _labels(config, x)

    def draw() -> None:
        frozen.sample(len(x), 0.7, y)

    return draw


def peer_training(peer: nn.Module, x: Tensor) -> Work:
    """A training step of another code base's model, by its `log_prob`."""
    return _stepping(partial(_peer_loss, peer, x), torch.optim.Adamax(peer.parameters(), lr=1e-6))


def _stepping(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> Work:
    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def peer_sampling(peer: nn.Module, x: Tensor) -> Work:
    """Drawing images from another code base's model, by its `sample`."""

    def draw() -> None:
        with torch.no_grad():
            peer.sample(len(x))  # type: ignore[operator]

    return draw


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
    """Activation memory in bytes of a training step, for each depth K, in each memory mode and of the peer."""
    rows: list[dict[str, int | str]] = []
    with progress("Memory", len(depths)) as advance:
        for steps in depths:
            deep = replace(config, steps=steps)
            model, peer = _built(deep, x), normflows_glow(deep, x)
            for memory in MEMORIES:
                model.execute(Execution(memory, precision)).zero_grad(set_to_none=True)
                held = activation_bytes(partial(_loss, model, x), model.parameters())
                rows.append({"steps": steps, "memory": memory, "bytes": held})
            if peer is not None:
                held = activation_bytes(partial(_peer_loss, peer, x), peer.parameters())
                rows.append({"steps": steps, "memory": "normflows", "bytes": held})
            advance(1, f"K = {steps}")
    return rows


def _peer_loss(peer: nn.Module, x: Tensor) -> Tensor:
    return -peer.log_prob(x, None).mean()  # type: ignore[operator]


def _built(config: GlowConfig, x: Tensor) -> Glow:
    torch.manual_seed(0)
    model = Glow(config).to(x.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.initialize(x)
    return model


def _loss(model: Glow, x: Tensor) -> Tensor:
    return Objective(model)(x, _labels(model.config, x)).total


def _labels(config: GlowConfig, x: Tensor) -> Tensor | None:
    return torch.zeros(len(x), dtype=torch.int64, device=x.device) if config.num_classes else None
