"""Fixed permutations of the channels, which earlier models had in the place of 1x1 convolutions."""

import torch
from torch import Tensor

from glowflow.bijections.base import Bijection
from glowflow.parts import PERMUTATIONS


@PERMUTATIONS.builds("reverse")
class Reverse(Bijection):
    """Reverses the order of the channels: y_c = x_(C-1-c), log_det = 0. It is its own inverse.

    (B, C, H, W) -> (B, C, H, W). NICE and RealNVP alternate their halves in this way.

    >>> import torch
    >>> Reverse()(torch.arange(3.0).view(1, 3, 1, 1))[0].flatten()
    tensor([2., 1., 0.])
    """

    @classmethod
    def build(cls, _: object, _channels: int) -> "Reverse":
        """The permutation that a configuration asks for."""
        return cls()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reverse the channels."""
        return x.flip(1), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Reverse them back."""
        return y.flip(1)


class Permute(Bijection):
    """Reorders the channels: y_c = x_permutation[c], log_det = 0. (B, C, H, W) -> (B, C, H, W).

    >>> import torch
    >>> Permute(torch.tensor([2, 0, 1]))(torch.arange(3.0).view(1, 3, 1, 1))[0].flatten()
    tensor([2., 0., 1.])
    """

    permutation: Tensor

    def __init__(self, permutation: Tensor) -> None:
        super().__init__()
        self.register_buffer("permutation", permutation)

    def extra_repr(self) -> str:
        """The number of channels."""
        return f"{len(self.permutation)}"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take the channels in the permuted order."""
        return x[:, self.permutation], x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Put the channels back."""
        return y[:, self.permutation.argsort()]


@PERMUTATIONS.builds("shuffle")
class Shuffle(Permute):
    """Reorders the channels by a fixed random permutation. Kingma & Dhariwal 2018, section 5.

    >>> import torch
    >>> shuffle = Shuffle(8)
    >>> x = torch.randn(2, 8, 4, 4)
    >>> torch.equal(shuffle.inverse(shuffle(x)[0]), x)
    True
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__(torch.randperm(num_channels))

    @classmethod
    def build(cls, _: object, channels: int) -> "Shuffle":
        """The permutation that a configuration asks for."""
        return cls(channels)
