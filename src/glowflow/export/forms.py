"""The parts of a frozen model whose torch code ONNX runtimes would compute slowly, written for these runtimes."""

from collections.abc import Callable
from copy import deepcopy

import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections import FrozenStep
from glowflow.conditioners.conv import FrozenConvConditioner
from glowflow.conditioners.edge import FrozenEdgeConv, border
from glowflow.export.symbols import constant
from glowflow.model import FrozenGlow


class StepForm(nn.Module):
    """A `FrozenStep` that mixes the channels by 1x1 convolutions, which need no other order of the dimensions."""

    def __init__(self, step: FrozenStep) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the channels, then couple."""
        y, log_det = self.step.rest(_mix(x, self.step.matrix, self.step.bias))
        return y, log_det + x[0, 0].numel() * self.step.log_abs_det

    def by_position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the channels, then couple."""
        y, values = self.step.rest.by_position(_mix(x, self.step.matrix, self.step.bias))
        return y, values + self.step.log_abs_det

    def inverse(self, y: Tensor) -> Tensor:
        """Uncouple, then unmix."""
        return _mix(self.step.rest.inverse(y), self.step.inverse_matrix, self.step.inverse_bias)


class ConvForm(nn.Module):
    """A `FrozenConvConditioner` whose edge channel is made of a channel of ones that is padded with zeros.

    The edge channel is 1 outside of the image, and the other one is 1 inside. So their kernels are opposite, and the
    sum of the kernel becomes a part of the bias.
    """

    def __init__(self, network: FrozenConvConditioner) -> None:
        super().__init__()
        kernel, bias, self.kernel2, self.bias2 = network.buffers(recurse=False)
        edge = kernel[:, -1:]
        self.kernel, self.bias = kernel.clone(), bias + edge.sum((1, 2, 3))
        self.kernel[:, -1:] = -edge
        self.conv3 = network.conv3

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        with_ones = F.pad(x, (0, 0, 0, 0, 0, 1), value=1.0)
        h = F.conv2d(with_ones, self.kernel, self.bias, padding=1).relu()
        return self.conv3(F.conv2d(h, self.kernel2, self.bias2).relu())


class EdgeForm(nn.Module):
    """A `FrozenEdgeConv` that computes what the edge channel adds from its small kernel, so that this isn't stored."""

    def __init__(self, conv: FrozenEdgeConv) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x and its border."""
        edge = constant(border(self.conv.bias, x.shape[2:]), x)
        return F.conv2d(x, self.conv.weight, padding=1) + F.conv2d(edge, self.conv.edge_weight, self.conv.bias)


FORMS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    FrozenStep: StepForm,
    FrozenConvConditioner: ConvForm,
    FrozenEdgeConv: EdgeForm,
}


def for_runtimes(model: FrozenGlow) -> FrozenGlow:
    """A copy of a model that computes the same, made of these forms."""
    copy = deepcopy(model)
    _replace_parts(copy)
    return copy


def _replace_parts(module: nn.Module) -> None:
    for name, part in module.named_children():
        _replace_parts(part)
        if type(part) in FORMS:
            setattr(module, name, FORMS[type(part)](part))


def _mix(x: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, matrix[:, :, None, None], bias)
