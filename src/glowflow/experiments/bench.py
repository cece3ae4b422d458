"""Speed and memory on this machine, beside the floor: the bare convolutions, in the same type and layout."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from glowflow.allocator import keep_freed_memory
from glowflow.bijections import Coupling
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.execution import Execution
from glowflow.experiments.allocations import activation_bytes
from glowflow.experiments.apart import Work, apart, synchronize
from glowflow.experiments.peer import normflows_glow
from glowflow.images import BIN_CENTRE, to_uint8
from glowflow.model import Glow
from glowflow.parts import MEMORIES
from glowflow.progress import progress
from glowflow.training.objective import Objective
from glowflow.training.optimizer import build_optimizer

OfPeer = Callable[[nn.Module, Tensor], Work]
FLOOR = "bare convolutions"
PEERS = {"normflows": False, "normflows, freed memory kept": True}
"""As its users have it, and with what `keep_freed_memory` does; each in a process of its own."""


@dataclass(frozen=True)
class Timing:
    """Of one piece of work, measured in turn with the others."""

    name: str
    seconds: float
    """Median over the rounds."""
    images_per_second: float
    ratio: float
    """Its time by the floor's in the same round, the median over the rounds."""
    first_seconds: float
    """Of the first round, which counts for nothing else; compiling falls into it."""


def timings(works: dict[str, Work], batch_size: int, rounds: int) -> list[Timing]:
    """Run each piece of work once per round, in turn, after a first round that isn't counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    with progress("Timing", (rounds + 1) * len(works), "runs") as advance:
        for _ in range(rounds + 1):
            for name, work in works.items():
                seconds[name].append(timed(work))
                advance(1, name)
    return [
        Timing(
            name,
            median(values),
            batch_size / median(values),
            median(value / base for value, base in zip(values, seconds[FLOOR][1:], strict=True)),
            first,
        )
        for name, (first, *values) in seconds.items()
    ]


def timed(work: Work) -> float:
    """Seconds that a piece of work takes, the device's included."""
    synchronize()
    began = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - began


def measure(run: RunConfig, execution: Execution, x: Tensor, rounds: int, depths: Sequence[int]) -> dict[str, Any]:
    """Everything: training and sampling beside their floors (and normflows, where it is installed), and memory.

    Args:
        run: The model, and the optimiser of its training.
        execution: The precision of the couplings' networks, which the floor has too, and whether compiled training
            and sampling are measured beside the others; all memory modes are.
        x: A batch of continuous images, on the device to measure.
        rounds: How often each piece of work is timed.
        depths: Numbers of steps K for the memory.
    """
    keep_freed_memory()  # as the commands do
    config, precision = run.model, execution.precision
    train: dict[str, Work] = {FLOOR: convolutions(config, precision, x, backward=True)}
    train |= {memory: training(config, Execution(memory, precision), x, run.train) for memory in MEMORIES.names}
    if execution.compiled:
        train["store, compiled"] = training(config, Execution("store", precision, compiled=True), x, run.train)
    found: dict[str, Any] = {"training": _beside_peers(train, peer_training, config, x, rounds)}
    train.clear()  # the models in it are large
    draw: dict[str, Work] = {FLOOR: convolutions(config, precision, x, backward=False)}
    draw["glowflow"] = sampling(config, Execution(precision=precision), x)
    if execution.compiled:
        draw["glowflow, compiled"] = sampling(config, Execution(precision=precision, compiled=True), x)
    found["sampling"] = _beside_peers(draw, peer_sampling, config, x, rounds)
    return found | {"activations": activations(config, depths, precision, x)}


def _beside_peers(
    works: dict[str, Work], of_peer: OfPeer, config: GlowConfig, x: Tensor, rounds: int
) -> list[dict[str, Any]]:
    """Timings of the works and, where normflows is installed, of the same done by it, in turn."""
    with ExitStack() as stack:
        if normflows_glow(replace(config, steps=1), x) is not None:
            for name, keeps in PEERS.items():
                build = partial(_peer_work, of_peer, config, (x.cpu(), x.device), keeps=keeps)
                works[name] = stack.enter_context(apart(build))
        return [asdict(timing) for timing in timings(works, len(x), rounds)]


def _peer_work(of_peer: OfPeer, config: GlowConfig, images: tuple[Tensor, torch.device], *, keeps: bool) -> Work:
    """In a process of its own: normflows' work on images that are to be on a device."""
    if keeps:
        keep_freed_memory()
    values, device = images
    x = values.to(device)
    peer = normflows_glow(config, x)
    if peer is None:
        raise ValueError("normflows has no such model.")
    return of_peer(peer, x)


def training(config: GlowConfig, execution: Execution, x: Tensor, settings: TrainConfig | None = None) -> Work:
    """A training step on the batch x: forward, backward, update by the settings' optimiser, which hardly moves."""
    model = _built(config, x).execute(execution)
    slow = replace(settings or TrainConfig(), lr=1e-6)
    optimizer = build_optimizer(model, slow, execution.precision)
    return _stepping(_loss(model, x), optimizer)


def sampling(config: GlowConfig, execution: Execution, x: Tensor) -> Work:
    """Drawing as many images as the batch x has."""
    frozen = _built(config, x).execute(execution).freeze()
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
    """The floor: the convolutions of the couplings' networks alone, forward, or forward and backward."""

    def tensor(shape: torch.Size) -> Tensor:
        values = 0.05 * torch.randn(shape, device=x.device, dtype=precision or x.dtype)
        return values.contiguous(memory_format=torch.channels_last).requires_grad_()

    calls = _convolution_calls(config, x)
    inputs = {call.inputs: tensor(call.inputs) for call in calls}
    layers = [(inputs[call.inputs], tensor(call.kernel), call.padding) for call in calls]

    def run() -> None:
        with torch.set_grad_enabled(backward):
            for values, kernel, padding in layers:
                output = F.conv2d(values, kernel, padding=padding)
                if backward:
                    torch.autograd.grad(output, [values, kernel], output.detach())

    return run


class _Call(NamedTuple):
    """Of a convolution."""

    inputs: torch.Size
    kernel: torch.Size
    padding: int | str


class _Calls(TorchFunctionMode):
    """Notes the convolutions that are run."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[_Call] = []

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Run a function of PyTorch's."""
        options = kwargs or {}
        if function is F.conv2d:
            padding = args[4] if len(args) > 4 else options.get("padding", 0)
            self.noted.append(_Call(args[0].shape, args[1].shape, padding))
        return function(*args, **options)


@torch.no_grad()
def _convolution_calls(config: GlowConfig, x: Tensor) -> list[_Call]:
    """Those of the couplings' networks for a batch like x; without those that are the same for all its images."""
    shapes: list[tuple[nn.Module, torch.Size]] = []
    batch = 2  # by which they are told from those of a single, common image
    with torch.device("meta"):
        model = Glow(config)
        networks = [module.conditioner for module in model.modules() if isinstance(module, Coupling)]
        hooks = [n.register_forward_pre_hook(lambda n, args: shapes.append((n, args[0].shape))) for n in networks]
        images = torch.empty(batch, *x.shape[1:])
        model.log_prob(images, _labels(config, images))
        for hook in hooks:
            hook.remove()
        with _Calls() as calls:
            for network, shape in shapes:
                network(torch.empty(shape))
    own = [call for call in calls.noted if call.inputs[0] == batch]
    return [call._replace(inputs=torch.Size((len(x), *call.inputs[1:]))) for call in own]


def activations(
    config: GlowConfig, depths: Sequence[int], precision: torch.dtype | None, x: Tensor
) -> list[dict[str, int | str]]:
    """Activation memory in bytes of a training step, for each depth K, in each memory mode and of the peer."""
    rows: list[dict[str, int | str]] = []
    with progress("Memory", len(depths), "depths") as advance:
        for steps in depths:
            deep = replace(config, steps=steps)
            model, peer = _built(deep, x), normflows_glow(deep, x)
            for memory in MEMORIES.names:
                model.execute(Execution(memory, precision)).zero_grad(set_to_none=True)
                held = activation_bytes(_loss(model, x), model.parameters())
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


def _loss(model: Glow, x: Tensor) -> Callable[[], Tensor]:
    """What a training step differentiates, for the images x."""
    images, noise = to_uint8(x, model.config.num_bits), torch.full_like(x, BIN_CENTRE)
    return partial(_total, Objective(model), images, noise, _labels(model.config, x))


def _total(objective: Objective, *batch: Tensor | None) -> Tensor:
    return objective(*batch).total


def _labels(config: GlowConfig, x: Tensor) -> Tensor | None:
    return torch.zeros(len(x), dtype=torch.int64, device=x.device) if config.num_classes else None
