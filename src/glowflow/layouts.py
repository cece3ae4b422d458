"""How the layers of a flow are laid out, level by level: Glow's way, and RealNVP's."""

import torch

from glowflow.bijections import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    AffineExpCoupling,
    AffineTanhCoupling,
    Bijection,
    Chain,
    Checkerboard,
    Conv1x1,
    Conv1x1LU,
    Coupling,
    Halves,
    Logit,
    Mask,
    Permute,
    Reverse,
    Shuffle,
    SplitPrior,
    Squeeze,
    Step,
)
from glowflow.conditioners import ConvConditioner, ResidualConditioner, ZeroConv
from glowflow.config import GlowConfig

COUPLINGS: dict[str, type[Coupling]] = {
    "additive": AdditiveCoupling,
    "affine": AffineCoupling,
    "affine-exp": AffineExpCoupling,
    "affine-tanh": AffineTanhCoupling,
}

DIAGONALS = (0, 3, 1, 2)
"""The four pixels of a 2x2 block, counted row by row: the main diagonal, which a split keeps, then the other."""


def levels(config: GlowConfig) -> list[Chain]:
    """The bijections of each level; but for the last one's, half of a level's output is its latent."""
    level = _realnvp_level if config.layout == "realnvp" else _glow_level
    first, *others = (level(config, index) for index in range(config.num_levels))
    return [Chain(Logit(), *first) if config.logit else first, *others]


def _glow_level(config: GlowConfig, index: int) -> Chain:
    """Squeeze, K steps, split. Kingma & Dhariwal 2018, figure 2."""
    channels = config.image_shape[0] << (index + 2)
    steps = [_step(config, channels, config.width) for _ in range(config.steps)]
    split = [SplitPrior(ZeroConv(channels // 2, channels))] if index < config.num_levels - 1 else []
    return Chain(Squeeze(), *steps, *split)


def _realnvp_level(config: GlowConfig, index: int) -> Chain:
    """K checkerboard steps, squeeze, K steps, split; at the top K + 1 checkerboard steps. Dinh et al. 2017, 3.6.

    The top is squeezed at its end, which changes no density, so that its latents are laid out as Glow's.
    """
    channels, width = config.image_shape[0] << index, config.width << index
    top = index == config.num_levels - 1
    board = [
        Step(ActNorm(channels), _coupling(config, channels, width, Checkerboard(odd=bool(i % 2))))
        for i in range(config.steps + top)
    ]
    if top:
        return Chain(*board, Squeeze())
    steps = [_step(config, 4 * channels, 2 * width) for _ in range(config.steps)]
    return Chain(*board, Squeeze(), *steps, Permute(_by_diagonals(channels)))


def _by_diagonals(channels: int) -> torch.Tensor:
    """Order of a squeezed image's channels by position within the 2x2 block first."""
    return torch.tensor([4 * channel + place for place in DIAGONALS for channel in range(channels)])


def _step(config: GlowConfig, channels: int, width: int) -> Step:
    """One step of flow: actnorm, permutation, coupling."""
    return Step(ActNorm(channels), _permutation(config, channels), _coupling(config, channels, width, Halves()))


def _permutation(config: GlowConfig, channels: int) -> Bijection:
    match config.permutation:
        case "conv1x1":
            return Conv1x1(channels)
        case "conv1x1-lu":
            return Conv1x1LU(channels)
        case "shuffle":
            return Shuffle(channels)
        case "reverse":
            return Reverse()


def _coupling(config: GlowConfig, channels: int, width: int, mask: Mask) -> Coupling:
    inputs = mask.num_channels(channels)
    outputs = inputs if config.coupling == "additive" else 2 * inputs
    return COUPLINGS[config.coupling](_conditioner(config, inputs, outputs, width), mask)


def _conditioner(config: GlowConfig, inputs: int, outputs: int, width: int) -> ConvConditioner | ResidualConditioner:
    if config.residual_blocks:
        return ResidualConditioner(inputs, outputs, width, config.residual_blocks)
    return ConvConditioner(inputs, outputs, width)
