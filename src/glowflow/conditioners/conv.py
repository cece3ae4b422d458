"""Glow's network: three convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections import ActNorm, Conditioner
from glowflow.conditioners.edge import HIDDEN_STD, EdgeConv, FrozenEdgeConv, ZeroConv, border, constant, edge_conv, kept
from glowflow.parts import CONDITIONERS


@CONDITIONERS.builds("conv")
class ConvConditioner(Conditioner):
    """The coupling's network: conv 3x3, actnorm, ReLU, conv 1x1, actnorm, ReLU, zero conv 3x3.

    (B, C_in, H, W) -> (B, C_out, H, W), with `width` hidden channels. Kingma & Dhariwal 2018, section 5.

    >>> import torch
    >>> ConvConditioner(6, 12, width=64)(torch.randn(2, 6, 16, 16)).shape
    torch.Size([2, 12, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = EdgeConv(in_channels, width)
        self.norm1 = ActNorm(width)
        self.conv2 = nn.Conv2d(width, width, 1, bias=False)
        nn.init.normal_(self.conv2.weight, std=HIDDEN_STD)
        self.norm2 = ActNorm(width)
        self.conv3 = ZeroConv(width, out_channels)

    @classmethod
    def build(cls, _: object, inputs: int, outputs: int, width: int, _size: tuple[int, int]) -> "ConvConditioner":
        """The network that a configuration asks for."""
        return cls(inputs, outputs, width)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        *first_two, kernel3, bias3 = self.folded()
        return edge_conv(_two_convolutions(_bordered(x), *first_two), kernel3, bias3)

    def folded(self) -> tuple[Tensor, ...]:
        """Kernel and bias of each of the three convolutions, the actnorms and the scale taken into them."""
        first, second = self.norm1.folded_into(self.conv1.weight), self.norm2.folded_into(self.conv2.weight)
        return (*first, *second, *self.conv3.folded())

    def matrices(self) -> list[nn.Parameter]:
        """The second kernel; the other convolutions answer for theirs."""
        return [self.get_parameter("conv2.weight")]

    def freeze(self, precision: torch.dtype | None = None) -> "FrozenConvConditioner":
        """The same network with its folded weights computed, in another type if one is given."""
        return FrozenConvConditioner(self, precision)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialise both actnorms on the batch x, in order, and return the network's output."""
        h = F.relu(self.norm1.initialize(self.conv1(x)))
        h = F.relu(self.norm2.initialize(self.conv2(h)))
        return self.conv3(h)


class FrozenConvConditioner(nn.Module):
    """The inference form of a `ConvConditioner`: its folded weights are constants, and so are the images' borders."""

    @torch.no_grad()
    def __init__(self, network: ConvConditioner, precision: torch.dtype | None = None) -> None:
        super().__init__()
        *first_two, kernel3, bias3 = network.folded()
        for index, tensor in enumerate(first_two):
            self.register_buffer(f"constant{index}", constant(tensor, precision))
        self.conv3 = FrozenEdgeConv(kernel3, bias3, precision)
        self.empties: dict[object, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        kernel1, bias1, kernel2, bias2 = self.buffers(recurse=False)
        padded = kept(self.empties, x, _bordered).expand(len(x), -1, -1, -1).clone(memory_format=torch.channels_last)
        padded[:, :-1, 1:-1, 1:-1] = x
        return self.conv3(_two_convolutions(padded, kernel1, bias1, kernel2, bias2))


def _two_convolutions(padded: Tensor, kernel1: Tensor, bias1: Tensor, kernel2: Tensor, bias2: Tensor) -> Tensor:
    """Edge convolution of what has its border already, ReLU, 1x1 convolution, ReLU."""
    h = F.conv2d(padded, kernel1, bias1).relu_()
    return F.conv2d(h, kernel2, bias2).relu_()


def _bordered(x: Tensor) -> Tensor:
    """Zeros around x, and the channel that is 1 on the padding: what the original convolves."""
    padded = torch.cat([F.pad(x, (1, 1, 1, 1)), border(x).expand(len(x), -1, -1, -1)], dim=1)
    return padded.contiguous(memory_format=torch.channels_last)
