"""What a coupling asks of the network that it holds."""

from abc import ABC, abstractmethod
from copy import deepcopy

import torch
from torch import Tensor, nn


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
