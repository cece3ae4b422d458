"""How a coupling divides its input into the part that conditions and the part that changes."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from glowflow.bijections.squeeze import channels_to_space, space_to_channels


class Mask(ABC):
    """A division of x (B, C, H, W) into x_a, which the conditioner takes, and x_b, which changes.

    >>> mask, x = Halves(), torch.randn(1, 4, 2, 2)
    >>> torch.equal(mask.join(*mask.split(x)), x)
    True
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abstractmethod
    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x_a and x_b."""

    @abstractmethod
    def join(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        """The x that `split` divides into x_a and x_b."""

    @abstractmethod
    def select(self, h: Tensor) -> Tensor:
        """The part of the conditioner's output h that belongs to x_b."""

    @abstractmethod
    def num_channels(self, channels: int) -> int:
        """The number of channels of the conditioner's input, for an x with `channels` channels.

        The conditioner's output has parameters for as many channels.
        """


class Halves(Mask):
    """The first half of the channels conditions, and the second half changes. Kingma & Dhariwal 2018, table 1.

    >>> x_a, x_b = Halves().split(torch.zeros(1, 6, 4, 4))
    >>> x_a.shape, x_b.shape
    (torch.Size([1, 3, 4, 4]), torch.Size([1, 3, 4, 4]))
    """

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first and the second half."""
        if x.shape[1] % 2:
            raise ValueError(f"A coupling needs an even number of channels; the input has {x.shape[1]}.")
        x_a, x_b = x.chunk(2, dim=1)
        return x_a, x_b

    def join(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        """Both halves."""
        return torch.cat([x_a, x_b], dim=1)

    def select(self, h: Tensor) -> Tensor:
        """All of h."""
        return h

    def num_channels(self, channels: int) -> int:
        """Half of the channels."""
        return channels // 2


class Checkerboard(Mask):
    """The pixels (h, w) with even h + w condition, and the others change. With `odd` it's the other way round.

    x_a is the image with zeros in the place of changing pixels. x_b has only the changing pixels; the two of each 2x2
    block become channels, (B, 2 C, H / 2, W / 2). H and W are even. Dinh et al. 2017, section 3.4.

    >>> mask, x = Checkerboard(), torch.arange(1.0, 5.0).view(1, 1, 2, 2)
    >>> mask.split(x)
    (tensor([[[[1., 0.],
              [0., 4.]]]]), tensor([[[[2.]],
    <BLANKLINE>
             [[3.]]]]))
    """

    def __init__(self, *, odd: bool = False) -> None:
        even_pixels, odd_pixels = (0, 3), (1, 2)  # of a 2x2 block, row by row
        self.changing = even_pixels if odd else odd_pixels

    def __repr__(self) -> str:
        return f"Checkerboard(odd={self.changing == (0, 3)})"

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The image with zeros in the place of changing pixels; and the changing pixels."""
        x_b = self.select(x)
        return self.join(x, torch.zeros_like(x_b)), x_b

    def join(self, x_a: Tensor, x_b: Tensor) -> Tensor:
        """The image x_a with its changing pixels replaced."""
        places = list(_blocks(x_a).unbind(2))
        for place, pixels in zip(self.changing, x_b.chunk(2, dim=1), strict=True):
            places[place] = pixels
        return channels_to_space(torch.stack(places, dim=2).flatten(1, 2))

    def select(self, h: Tensor) -> Tensor:
        """The changing pixels, (B, C, H, W) -> (B, 2 C, H / 2, W / 2)."""
        blocks = _blocks(h)
        return torch.cat([blocks[:, :, place] for place in self.changing], dim=1)

    def num_channels(self, channels: int) -> int:
        """All channels."""
        return channels


def _blocks(x: Tensor) -> Tensor:
    """The four pixels of each 2x2 block, row by row: (B, C, H, W) -> (B, C, 4, H / 2, W / 2)."""
    return space_to_channels(x).unflatten(1, (-1, 4))
