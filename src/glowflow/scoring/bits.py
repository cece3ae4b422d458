"""The bits of images, divided by level, by kind and by pixel."""

from dataclasses import dataclass
from math import log, pi, prod

import torch
from torch import Tensor

from glowflow.bijections.base import regridded
from glowflow.config import GlowConfig
from glowflow.flow import Passed
from glowflow.images import Array
from glowflow.model import Glow


@dataclass(frozen=True)
class Bits:
    """The bits that a model of L levels takes for B images, with one draw of the dequantisation noise.

    Each tensor has a number for each image, (B, ...), or for each pixel of each image, (B, ..., H, W).

    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig((3, 8, 8), levels=2, steps=1, width=8))
    >>> images = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8)
    >>> bits = Bits.by_pixel(model, images, torch.rand(images.shape))
    >>> bits.eps.shape, bits.total.shape
    (torch.Size([5, 2, 8, 8]), torch.Size([5, 8, 8]))

    Attributes:
        eps: -log2 of the density of each level's latent, which is standard normal under the model, (B, L, ...).
        prior: log2 of the standard deviations that each level's prior divided its latent by, (B, L, ...). It's 0 for a
            level without a prior.
        log_det: -log2 of the determinant of the derivatives of each level's other layers, (B, L, ...).
        dequantization: The number of bits of each value, plus log2 of the density q of the noise, (B, ...).
    """

    eps: Tensor
    prior: Tensor
    log_det: Tensor
    dequantization: Tensor

    @classmethod
    def of_pass(cls, passed: Passed, log_q: Tensor, config: GlowConfig) -> "Bits":
        """A number for each image, in the type of the model's parameters.

        Args:
            passed: What `Glow.by_level` gave.
            log_q: log q (B,) of the noise, which `Glow.dequantized` gave.
            config: The model's.
        """
        eps = _stacked([_information(latent).sum((1, 2)) for latent in passed.latents])
        bits = config.num_dims * config.num_bits + log_q / log(2)
        return cls(eps, -_stacked(passed.priors), -_stacked(passed.log_dets), bits)

    @classmethod
    def by_pixel(cls, model: Glow, images: Array, noise: Array, y: Array | None = None) -> "Bits":
        """A number for each pixel, in float64 (float32 on Apple's GPUs, which lack float64).

        The arguments are those of `Glow.bits_per_dim`.
        A position of a level stands for a square of pixels, which share its bits equally. All pixels share log q.
        """
        model, (_, *size) = model.in_float64(), model.config.image_shape
        x, log_q = model.dequantized(images, noise)
        eps, log_det, prior = _by_pixel(model, x, y)
        bits = (model.config.num_dims * model.config.num_bits + log_q.to(x) / log(2)) / prod(size)
        return cls(eps, -prior, -log_det, bits[:, None, None].expand(-1, *size))

    @property
    def latents(self) -> Tensor:
        """-log2 of the density of each level's latent before its prior standardised it, (B, L, ...)."""
        return self.eps + self.prior

    @property
    def by_level(self) -> Tensor:
        """All bits of each level, (B, L, ...)."""
        return self.latents + self.log_det

    @property
    def total(self) -> Tensor:
        """All bits, (B, ...). An image's bits are its bits/dim times the number of its values."""
        return self.by_level.sum(1) + self.dequantization

    def cpu(self) -> "Bits":
        """The same on the CPU."""
        return Bits(self.eps.cpu(), self.prior.cpu(), self.log_det.cpu(), self.dequantization.cpu())


def latents_by_pixel(model: Glow, images: Array, noise: Array, y: Array | None = None) -> Tensor:
    """`Bits.latents` for each pixel, (B, L, H, W), computed in the type of the model's parameters.

    The arguments are those of `Glow.bits_per_dim`.

    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig((3, 8, 8), levels=2, steps=1, width=8))
    >>> latents_by_pixel(model, torch.zeros(5, 3, 8, 8, dtype=torch.uint8), torch.rand(5, 3, 8, 8)).shape
    torch.Size([5, 2, 8, 8])
    """
    x, _ = model.dequantized(images, noise)
    eps, _, prior = _by_pixel(model, x, y)
    return eps - prior


def _by_pixel(model: Glow, x: Tensor, y: Array | None) -> tuple[Tensor, ...]:
    """For continuous images x: the bits of latents, and log2 of the derivatives of layers and priors, (B, L, H, W)."""
    _, *size = model.config.image_shape
    latents, log_dets, priors = model.by_position(x, y)
    parts = (map(_information, latents), log_dets, priors)
    return tuple(_stacked([regridded(each, size) for each in part]) for part in parts)


def _information(latent: Tensor) -> Tensor:
    """-ln of the density of a standard normal latent (B, C, h, w), summed over the channels, (B, h, w)."""
    return 0.5 * (latent.square() + log(2 * pi)).sum(1)


def _stacked(nats: list[Tensor]) -> Tensor:
    """Numbers of each level, (B, ...), in bits, (B, L, ...)."""
    return torch.stack(nats, dim=1) / log(2)
