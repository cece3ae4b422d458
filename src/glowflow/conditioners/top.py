"""The network of the top latent's prior, which takes no image; and the linear map that is zero at first."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections.actnorm import LOGS_FACTOR
from glowflow.conditioners.edge import ZeroConv, constant


class ZeroLinear(nn.Module):
    """Linear map that is zero at first: (x W^T + bias) * exp(3 logs), (B, in) -> (B, out).

    >>> import torch
    >>> ZeroLinear(10, 96)(torch.eye(10)).shape
    torch.Size([10, 96])
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.logs = nn.Parameter(torch.zeros(out_features))

    def extra_repr(self) -> str:
        """The numbers of features."""
        outputs, inputs = self.weight.shape
        return f"{inputs}, {outputs}"

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, shift, scale."""
        return F.linear(x, self.weight, self.bias) * (LOGS_FACTOR * self.logs).exp()


class TopNetwork(nn.Module):
    """Mean and logsd of the top latent: a learned constant, plus a part that depends on the class.

    The constant is a `ZeroConv` applied to zeros. It depends on the position, through the convolution's edge channel.
    `forward(y)` takes labels (B,), or None if there are no classes, and gives (B or 1, 2 C, H, W).

    Args:
        shape: (C, H, W) of the top latent.
        learned: True for a learned constant, False for zero (a standard normal).
        num_classes: How many classes there are; 0 for none.

    >>> TopNetwork((48, 4, 4))(None).shape
    torch.Size([1, 96, 4, 4])
    """

    zeros: Tensor

    def __init__(self, shape: tuple[int, int, int], *, learned: bool = True, num_classes: int = 0) -> None:
        super().__init__()
        channels, height, width = shape
        self.num_classes = num_classes
        self.register_buffer("zeros", torch.zeros(1, 2 * channels, height, width), persistent=False)
        self.conv = ZeroConv(2 * channels, 2 * channels) if learned else None
        self.embedding = ZeroLinear(num_classes, 2 * channels) if num_classes else None

    def forward(self, y: Tensor | None) -> Tensor:
        """Parameters of the prior, for labels y."""
        h = self.zeros if self.conv is None else self.conv(self.zeros)
        if self.embedding is None or y is None:
            return h
        one_hot = F.one_hot(y, self.num_classes).to(h)
        return h + self.embedding(one_hot)[:, :, None, None]

    def freeze(self) -> "FrozenTopNetwork":
        """The inference form."""
        return FrozenTopNetwork(self)


class FrozenTopNetwork(nn.Module):
    """The inference form of a `TopNetwork`: the constant, and a row for each class."""

    constant: Tensor
    classes: Tensor | None

    @torch.no_grad()
    def __init__(self, network: TopNetwork) -> None:
        super().__init__()
        self.register_buffer("constant", constant(network(None), None))
        one_hot = torch.eye(network.num_classes).to(self.constant)
        rows = None if network.embedding is None else network.embedding(one_hot)[:, :, None, None]
        self.register_buffer("classes", rows)

    def forward(self, y: Tensor | None) -> Tensor:
        """Parameters of the prior, for labels y."""
        return self.constant if self.classes is None or y is None else self.constant + self.classes.index_select(0, y)
