"""Uniform dequantisation: the noise itself."""

from torch import Tensor

from glowflow.config import GlowConfig
from glowflow.dequantizers.base import Dequantizer
from glowflow.images import dequantize
from glowflow.parts import DEQUANTIZERS


@DEQUANTIZERS.builds("uniform")
class UniformDequantizer(Dequantizer):
    """u is the noise itself, so q(u) = 1 and log q = 0. Theis et al. 2016.

    >>> import torch
    >>> dequantizer = UniformDequantizer(num_bits=8)
    >>> images = torch.zeros(1, 1, 1, 2, dtype=torch.uint8)
    >>> dequantizer(images, torch.tensor([[[[0.0, 0.5]]]]))
    (tensor([[[[-0.5000, -0.4980]]]]), tensor([0.]))
    """

    def __init__(self, num_bits: int) -> None:
        super().__init__()
        self.num_bits = num_bits

    @classmethod
    def build(cls, _: object, config: GlowConfig) -> "UniformDequantizer":
        """The dequantizer that a configuration asks for."""
        return cls(config.num_bits)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Add the noise."""
        x = dequantize(images, self.num_bits, noise)
        return x, x.new_zeros(len(x))
