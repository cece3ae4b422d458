"""What a coupling asks of the network that it holds."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from typing import Self, TypeAlias

import torch
from torch import Tensor, nn

Weights: TypeAlias = tuple[Tensor, ...]
"""What a network needs besides its input, where `Conditioner.prepare` has computed it; else empty."""


class Conditioner(nn.Module, ABC):
    """A network from the part that a coupling keeps, x_a, to the parameters h of the map of the other part.

    (B, C_in, H, W) -> (B, C_out, H, W). It is never inverted, so any network will do. Images of a batch must not
    influence each other.

    >>> class Pixelwise(Conditioner):
    ...     def __init__(self, inputs, outputs):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(inputs, outputs, 1)
    ...     def forward(self, x):
    ...         return self.conv(x)
    >>> Pixelwise(2, 4)(torch.zeros(1, 2, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """H of x."""

    @classmethod
    def prepare(cls, networks: Sequence[Self], size: Sequence[int], precision: torch.dtype | None) -> Sequence[Weights]:
        """What follows from weights alone, for several networks of the same shapes in a few operations.

        Args:
            networks: Each of this class, with parameters of the same shapes.
            size: (H, W) of the images.
            precision: Type that the networks are to compute in; None for the parameters' own.

        Returns:
            For each network what `run` takes, or nothing, as here: then `forward` runs.
        """
        return [()] * len(networks)

    def run(self, x: Tensor, weights: Weights) -> Tensor:
        """`forward`, with what `prepare` computed; H may be of the type of these weights."""
        return self(x)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set what depends on data from the batch x, and return the output of the network so initialised."""
        return self(x)

    def matrices(self) -> list[nn.Parameter]:
        """Parameters of its own that an optimiser such as Muon may treat as matrices: kernels, their outputs first.

        A conditioner inside this one answers for its own.
        """
        return []

    def freeze(self, precision: torch.dtype | None = None) -> nn.Module:
        """A separate, immutable form for inference, which computes in `precision`; None for the parameters' own type.

        Its output may be of this type too: the coupling takes care of that.
        """
        return deepcopy(self).requires_grad_(requires_grad=False).eval()


def matrices_of(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a model that its conditioners call matrices; a single column isn't one."""
    conditioners = [module for module in model.modules() if isinstance(module, Conditioner)]
    return [w for conditioner in conditioners for w in conditioner.matrices() if w[0].numel() > 1]


def prepared(networks: Sequence[Conditioner], size: Sequence[int], precision: torch.dtype | None) -> Sequence[Weights]:
    """`Conditioner.prepare` for networks of any kinds: together where all are of one kind and of the same shapes."""
    shapes = {(type(network), *(w.shape for w in network.parameters())) for network in networks}
    if len(shapes) == 1:
        return type(networks[0]).prepare(networks, size, precision)
    return [network.prepare([network], size, precision)[0] for network in networks]


class PlainConditioner(Conditioner):
    """Any network as a conditioner without an initialisation, matrices or an inference form of its own.

    >>> PlainConditioner(nn.Conv2d(2, 4, 3, padding=1))(torch.zeros(1, 2, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        return self.network(x)
