"""Flow++'s network, made of gated convolutions and self-attention over all pixels."""

import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections import Conditioner
from glowflow.conditioners.places import attended, position, projections, zeroed
from glowflow.parts import CONDITIONERS, Attention


@CONDITIONERS.builds("attention")
class AttentionConditioner(Conditioner):
    """Conv 3x3, blocks of a gated convolution and gated self-attention, conv 3x3 that is zero at first.

    (B, C_in, H, W) -> (B, C_out, H, W), with `width` hidden channels, for images of the given size (H, W). Ho et al.
    2019 (Flow++) and their code (flows.py), with SiLU in the place of the ELU of h and of -h, which would double the
    channels; and without dropout, because reversible training runs a network twice, and both runs must agree.

    Raises:
        InputError: If the heads don't divide the width.

    >>> import torch
    >>> from glowflow.parts import Attention
    >>> AttentionConditioner(Attention(heads=2), 6, 12, 64, (8, 8))(torch.randn(2, 6, 8, 8)).shape
    torch.Size([2, 12, 8, 8])
    """

    def __init__(
        self, options: Attention, in_channels: int, out_channels: int, width: int, size: tuple[int, int]
    ) -> None:
        options.check(width, size)
        super().__init__()
        self.first = nn.Conv2d(in_channels, width, 3, padding=1)
        self.position = position(*size, width)
        self.blocks = nn.ModuleList([AttentionBlock(width, options.heads) for _ in range(options.blocks)])
        self.last = zeroed(nn.Conv2d(width, out_channels, 3, padding=1))

    @classmethod
    def build(
        cls, options: Attention, inputs: int, outputs: int, width: int, size: tuple[int, int]
    ) -> "AttentionConditioner":
        """The network that a configuration asks for."""
        return cls(options, inputs, outputs, width, size)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        h = self.first(x).movedim(1, -1)
        for block in self.blocks:
            h = block(h, self.position)
        return self.last(h.movedim(-1, 1))

    def matrices(self) -> list[nn.Parameter]:
        """All kernels and projections."""
        return projections(self)


class AttentionBlock(nn.Module):
    """A block of `AttentionConditioner`: each half adds a gated change to h, and normalises the sum over channels.

    `forward(h, position)` takes h (B, H, W, width) and the positions' embedding (H W, width), and gives a new h.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.conv, self.qkv = nn.Conv2d(width, width, 3, padding=1), nn.Linear(width, 3 * width)
        self.gate1, self.gate2 = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, h: Tensor, position: Tensor) -> Tensor:
        """Look at the neighbours of each pixel, then at all pixels."""
        near = self.conv(F.silu(h).movedim(-1, 1)).movedim(1, -1)
        h = self.norm1(h + F.glu(self.gate1(F.silu(near))))
        far = attended(self.qkv(h.flatten(1, 2) + position), self.heads)
        return self.norm2(h + F.glu(self.gate2(far)).view_as(h))
