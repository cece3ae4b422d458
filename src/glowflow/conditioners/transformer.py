"""Jet's network, a small vision transformer."""

import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections import Conditioner
from glowflow.conditioners.places import attended, position, projections, zeroed
from glowflow.parts import CONDITIONERS, Transformer


@CONDITIONERS.builds("transformer")
class TransformerConditioner(Conditioner):
    """A vision transformer over the patches of an image, whose output is zero at first.

    (B, C_in, H, W) -> (B, C_out, H, W), with `width` channels for each patch, for images of the given size (H, W).
    Kolesnikov et al. 2024 (Jet); the transformer: Dosovitskiy et al. 2021, section 3.1, without a class token.

    Raises:
        InputError: If the heads don't divide the width, or the patch doesn't divide the height and width of the images.

    >>> import torch
    >>> from glowflow.parts import Transformer
    >>> TransformerConditioner(Transformer(patch=2), 6, 12, 64, (8, 8))(torch.randn(2, 6, 8, 8)).shape
    torch.Size([2, 12, 8, 8])
    """

    def __init__(
        self, options: Transformer, in_channels: int, out_channels: int, width: int, size: tuple[int, int]
    ) -> None:
        options.check(width, size)
        super().__init__()
        patch = options.patch
        self.first = nn.Conv2d(in_channels, width, patch, stride=patch)
        self.position = position(size[0] // patch, size[1] // patch, width)
        self.blocks = nn.Sequential(*[TransformerBlock(width, options) for _ in range(options.blocks)])
        self.norm = nn.LayerNorm(width)
        self.last = zeroed(nn.Linear(width, out_channels * patch**2))
        self.patch = patch

    @classmethod
    def build(
        cls, options: Transformer, inputs: int, outputs: int, width: int, size: tuple[int, int]
    ) -> "TransformerConditioner":
        """The network that a configuration asks for."""
        return cls(options, inputs, outputs, width, size)

    def forward(self, x: Tensor) -> Tensor:
        """Divide the image into patches, run the network, and join them again."""
        patches = self.first(x).movedim(1, -1)
        h = self.blocks(patches.flatten(1, 2) + self.position)
        h = self.last(self.norm(h)).unflatten(1, patches.shape[1:3])
        return F.pixel_shuffle(h.movedim(-1, 1), self.patch)

    def matrices(self) -> list[nn.Parameter]:
        """All kernels and projections."""
        return projections(self)


class TransformerBlock(nn.Module):
    """A block of `TransformerConditioner`: self-attention, then a network for each patch; layer norms come before both.

    (B, N, width) -> (B, N, width).
    """

    def __init__(self, width: int, options: Transformer) -> None:
        super().__init__()
        self.heads = options.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.grow = nn.Linear(width, options.mlp_ratio * width)
        self.shrink = nn.Linear(options.mlp_ratio * width, width)

    def forward(self, h: Tensor) -> Tensor:
        """Run the block."""
        h = h + self.merge(attended(self.qkv(self.norm1(h)), self.heads))
        return h + self.shrink(F.gelu(self.grow(self.norm2(h))))
