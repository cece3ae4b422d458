"""The contract of the network inside a coupling."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from typing import Self, TypeAlias

import torch
from torch import Tensor, nn

Weights: TypeAlias = tuple[Tensor, ...]
"""What `Conditioner.prepare` has computed for `Conditioner.run`; empty if it computes nothing."""


class Conditioner(nn.Module, ABC):
    """A network that takes the part x_a, which a coupling keeps, and gives the parameters h for mapping the other part.

    (B, C_in, H, W) -> (B, C_out, H, W). The network is never inverted, so any network will do. Images of a batch must
    not influence each other.

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
        """The parameters h (B, C_out, H, W), given x (B, C_in, H, W)."""

    @classmethod
    def prepare(cls, networks: Sequence[Self], size: Sequence[int], precision: torch.dtype | None) -> Sequence[Weights]:
        """Compute what depends on weights alone, for several networks together, which takes few operations.

        Args:
            networks: Networks of this class, whose parameters have the same shapes.
            size: (H, W) of the images.
            precision: The type that the networks compute in; None for the parameters' own.

        Returns:
            What `run` takes, for each network. It's empty for a network that has only `forward`, as here.
        """
        return [()] * len(networks)

    def run(self, x: Tensor, weights: Weights) -> Tensor:
        """`forward`, by means of what `prepare` computed. The output may be of that type."""
        return self(x)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set the data-dependent parameters from the batch x, and return the output that the network then gives."""
        return self(x)

    def matrices(self) -> list[nn.Parameter]:
        """The parameters that an optimiser such as Muon may treat as matrices: kernels, with the outputs first.

        Those of a conditioner inside this one aren't among them; it has a `matrices` of its own.
        """
        return []

    def freeze(self, precision: torch.dtype | None = None) -> nn.Module:
        """A separate, immutable form for inference, which computes in `precision`; None for the parameters' own type.

        Its output may be of that type too; the coupling converts it.
        """
        return deepcopy(self).requires_grad_(requires_grad=False).eval()


def matrices_of(model: nn.Module) -> list[nn.Parameter]:
    """The `matrices` of all conditioners in a model, except those that are a single column."""
    conditioners = [module for module in model.modules() if isinstance(module, Conditioner)]
    return [w for conditioner in conditioners for w in conditioner.matrices() if w[0].numel() > 1]


def prepared(networks: Sequence[Conditioner], size: Sequence[int], precision: torch.dtype | None) -> Sequence[Weights]:
    """`Conditioner.prepare` for any networks: together if all have the same class and shapes, else one by one."""
    shapes = {(type(network), *(w.shape for w in network.parameters())) for network in networks}
    if len(shapes) == 1:
        return type(networks[0]).prepare(networks, size, precision)
    return [network.prepare([network], size, precision)[0] for network in networks]


class PlainConditioner(Conditioner):
    """Makes a conditioner of any network. It has no initialisation, no matrices, and no special inference form.

    >>> PlainConditioner(nn.Conv2d(2, 4, 3, padding=1))(torch.zeros(1, 2, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        return self.network(x)
