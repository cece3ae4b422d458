"""The floor of every time: the convolutions of the couplings' networks alone, in the same type and layout."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from glowflow.bench.timing import Work
from glowflow.bijections import Coupling
from glowflow.config import GlowConfig
from glowflow.model import Glow

RECORDED = 2
"""Images that are recorded. A convolution that is the same for all images has a batch of 1."""


def convolutions(config: GlowConfig, precision: torch.dtype | None, x: Tensor, *, backward: bool) -> Work:
    """The convolutions for a batch like x: the forward pass, or the forward and the backward pass."""

    def tensor(shape: torch.Size) -> Tensor:
        values = 0.05 * torch.randn(shape, device=x.device, dtype=precision or x.dtype)
        return values.contiguous(memory_format=torch.channels_last).requires_grad_()

    calls = convolution_calls(config, x)
    inputs = {call.inputs: tensor(call.inputs) for call in calls}
    layers = [(inputs[call.inputs], tensor(call.kernel), call.padding) for call in calls]

    def run() -> None:
        with torch.set_grad_enabled(backward):
            for values, kernel, padding in layers:
                output = F.conv2d(values, kernel, padding=padding)
                if backward:
                    torch.autograd.grad(output, [values, kernel], output.detach())

    return run


class Call(NamedTuple):
    """The shapes and the padding of one convolution."""

    inputs: torch.Size
    kernel: torch.Size
    padding: int | str


class _Calls(TorchFunctionMode):
    """Records the convolutions that are run, and if there are linear layers, too."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.are_all = True

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        options = kwargs or {}
        if function is F.conv2d:
            padding = args[4] if len(args) > 4 else options.get("padding", 0)
            self.calls.append(Call(args[0].shape, args[1].shape, padding))
        self.are_all &= function is not F.linear
        return function(*args, **options)


def convolution_calls(config: GlowConfig, x: Tensor) -> list[Call]:
    """The convolutions for a batch like x, except for those that are the same for all images."""
    own = [call for call in _recorded(config, x).calls if call.inputs[0] == RECORDED]
    return [call._replace(inputs=torch.Size((len(x), *call.inputs[1:]))) for call in own]


def are_floor(config: GlowConfig, x: Tensor) -> bool:
    """True if convolutions are nearly all arithmetic of the networks. Those with attention have linear layers, too."""
    return _recorded(config, x).are_all


@torch.no_grad()
def _recorded(config: GlowConfig, x: Tensor) -> _Calls:
    """The convolutions for a batch of `RECORDED` images like x."""
    shapes: list[tuple[nn.Module, torch.Size]] = []
    with torch.device("meta"):
        model = Glow(config)
        for module in model.modules():
            if isinstance(module, Coupling):
                module.conditioner.register_forward_pre_hook(lambda net, args: shapes.append((net, args[0].shape)))
        kept = torch.empty(RECORDED, *x.shape[1:])
        for level in model.levels:  # plain, so that each network runs by itself
            kept = level(kept)[0].chunk(2, dim=1)[0]
        with _Calls() as recorded:
            for network, shape in tuple(shapes):  # the hooks add to the list
                network(torch.empty(shape))
    return recorded
