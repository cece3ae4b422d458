"""RealNVP's network, made of residual blocks with weight normalisation."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from glowflow.bijections import ActNorm, Conditioner
from glowflow.parts import CONDITIONERS, Residual


@CONDITIONERS.builds("residual")
class ResidualConditioner(Conditioner):
    """RealNVP's residual network. The output is computed from the sum of all blocks' outputs.

    (B, C_in, H, W) -> (B, C_out, H, W), with `width` hidden channels. The output is zero at first. Dinh et al. 2017,
    section 4.1, and their code, with weight normalisation, and actnorm in the place of batch normalisation.

    >>> import torch
    >>> ResidualConditioner(3, 6, width=32, num_blocks=2)(torch.randn(2, 3, 16, 16)).shape
    torch.Size([2, 6, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, num_blocks: int) -> None:
        super().__init__()
        self.first = _normalized_conv(2 * in_channels, width, 3)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(num_blocks)])
        self.skips = nn.ModuleList([_normalized_conv(width, width, 1) for _ in range(num_blocks + 1)])
        self.norm = ActNorm(width)
        self.last = _normalized_conv(width, out_channels, 1)
        for name in ("bias", "parametrizations.weight.original0"):  # the norms of the kernels
            nn.init.zeros_(self.last.get_parameter(name))

    @classmethod
    def build(
        cls, options: Residual, inputs: int, outputs: int, width: int, _size: tuple[int, int]
    ) -> "ResidualConditioner":
        """The network that a configuration asks for."""
        return cls(inputs, outputs, width, options.blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        return self._run(x, _normalize)

    def matrices(self) -> list[nn.Parameter]:
        """The directions of the kernels; their norms are separate parameters."""
        return [w for name, w in self.named_parameters() if name.endswith("parametrizations.weight.original1")]

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialise every actnorm on the batch x, in order, and return the network's output."""
        return self._run(x, ActNorm.initialize)

    def _run(self, x: Tensor, normalize: "Normalize") -> Tensor:
        first, *others = self.skips
        h = self.first(F.relu(torch.cat([x, -x], dim=1)))
        total = first(h)
        for block, skip in zip(self.blocks, others, strict=True):
            h = h + block(h, normalize)
            total = total + skip(h)
        return self.last(F.relu(normalize(self.norm, total)))


class ResidualBlock(nn.Module):
    """A block of `ResidualConditioner`: twice actnorm, ReLU, conv 3x3. (B, width, H, W) -> (B, width, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ActNorm(width), ActNorm(width)
        self.conv1, self.conv2 = _normalized_conv(width, width, 3), _normalized_conv(width, width, 3)

    def forward(self, h: Tensor, normalize: "Normalize") -> Tensor:
        """Run the block; `normalize(norm, h)` runs an actnorm."""
        h = self.conv1(F.relu(normalize(self.norm1, h)))
        return self.conv2(F.relu(normalize(self.norm2, h)))


Normalize = Callable[[ActNorm, Tensor], Tensor]


def _normalize(norm: ActNorm, h: Tensor) -> Tensor:
    return norm(h)[0]


def _normalized_conv(in_channels: int, out_channels: int, size: int) -> nn.Module:
    return weight_norm(nn.Conv2d(in_channels, out_channels, size, padding="same"))
