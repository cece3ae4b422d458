"""The order of the layers in each level of a flow: Glow's layout, and RealNVP's."""

from dataclasses import replace

import torch

from glowflow.bijections import (
    ActNorm,
    Chain,
    Checkerboard,
    Coupling,
    Halves,
    Logit,
    Mask,
    Permute,
    SplitPrior,
    Squeeze,
    Step,
)
from glowflow.bijections.coupling import check_contract
from glowflow.conditioners import Conditioner, ZeroConv
from glowflow.config import GlowConfig, Level
from glowflow.errors import InputError, counted
from glowflow.parts import CONDITIONERS, COUPLINGS, LAYOUTS, PERMUTATIONS, GlowLayout, Layout, RealNVPLayout

DIAGONALS = (0, 3, 1, 2)
"""The pixels of a 2x2 block, numbered row by row: first the main diagonal, which a split keeps, then the other one."""


def levels(config: GlowConfig) -> list[Chain]:
    """The bijections of each level. The latent of a level is half of its output; the last level's is all of it."""
    chains: list[Chain] = LAYOUTS.build(config.layout, config)
    if len(chains) != config.num_levels or not all(isinstance(chain, Chain) for chain in chains):
        name, found = LAYOUTS.name_of(config.layout), ", ".join(type(each).__name__ for each in chains) or "nothing"
        right = f"a Chain for each of {counted(config.num_levels, 'level')}"
        raise InputError(f"The layout {name} gives {found}; it should give {right}.")
    return chains


@LAYOUTS.builds("glow")
def _glow(options: GlowLayout, config: GlowConfig) -> list[Chain]:
    """Kingma & Dhariwal 2018, figure 2."""
    return _after_logit(options, [_glow_level(config, index) for index in range(config.num_levels)])


@LAYOUTS.builds("realnvp")
def _realnvp(options: RealNVPLayout, config: GlowConfig) -> list[Chain]:
    """Dinh et al. 2017, section 3.6."""
    return _after_logit(options, [_realnvp_level(config, index) for index in range(config.num_levels)])


def _after_logit(options: Layout, chains: list[Chain]) -> list[Chain]:
    """The levels, after the logit of the pixels if there is one."""
    return [Chain(Logit(options.margin), *chains[0]), *chains[1:]] if options.logit else chains


def _glow_level(config: GlowConfig, index: int) -> Chain:
    """Squeeze, K steps, split."""
    level, [(_, size)] = config.at(index), config.networks(index)
    channels = 4 * level.shape[0]
    steps = [_step(config, level, channels, size) for _ in range(level.steps)]
    split = [SplitPrior(ZeroConv(channels // 2, channels))] if index < config.num_levels - 1 else []
    return Chain(Squeeze(), *steps, *split)


def _realnvp_level(config: GlowConfig, index: int) -> Chain:
    """K checkerboard steps, squeeze, K steps, split; in the last level K + 1 checkerboard steps.

    The last level ends with a squeeze. It changes no density, and makes the latents' shape the same as Glow's.
    """
    level, ((_, size), *after) = config.at(index), config.networks(index)
    channels, top = level.shape[0], not after
    board = [
        Step(ActNorm(channels), _coupling(config, level, channels, size, Checkerboard(odd=bool(i % 2))))
        for i in range(level.steps + top)
    ]
    if top:
        return Chain(*board, Squeeze())
    [(width, size)] = after
    steps = [_step(config, replace(level, width=width), 4 * channels, size) for _ in range(level.steps)]
    return Chain(*board, Squeeze(), *steps, Permute(_by_diagonals(channels)))


def _by_diagonals(channels: int) -> torch.Tensor:
    """The order of a squeezed image's channels that puts all channels of one diagonal before those of the other."""
    return torch.tensor([4 * channel + place for place in DIAGONALS for channel in range(channels)])


def _step(config: GlowConfig, level: Level, channels: int, size: tuple[int, int]) -> Step:
    """One step of flow: actnorm, permutation, coupling."""
    permutation = PERMUTATIONS.build(config.permutation, channels)
    return Step(ActNorm(channels), permutation, _coupling(config, level, channels, size, Halves()))


def _coupling(config: GlowConfig, level: Level, channels: int, size: tuple[int, int], mask: Mask) -> Coupling:
    inputs = mask.num_channels(channels)

    def conditioner(params_per_channel: int) -> Conditioner:
        return CONDITIONERS.build(level.conditioner, inputs, params_per_channel * inputs, level.width, size)

    coupling: Coupling = COUPLINGS.build(config.coupling, conditioner, mask)
    check_contract(coupling)
    return coupling
