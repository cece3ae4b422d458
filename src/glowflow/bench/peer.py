"""The same work by another library, `normflows`, for comparison."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from glowflow.allocator import keep_freed_memory
from glowflow.bench.timing import Work
from glowflow.config import GlowConfig
from glowflow.parts import CONDITIONERS, COUPLINGS, LAYOUTS

OfPeer = Callable[[nn.Module, Tensor], Work]
PEERS = {"normflows": False, "normflows, freed memory kept": True}
"""Normflows without and with `keep_freed_memory`, each in a process of its own."""


def peer_work(of_peer: OfPeer, config: GlowConfig, images: tuple[Tensor, torch.device], *, keeps: bool) -> Work:
    """Build normflows' work on images (x, device). This is called in a process of its own."""
    if keeps:
        keep_freed_memory()
    values, device = images
    x = values.to(device)
    peer = normflows_glow(config, x)
    if peer is None:
        raise ValueError("normflows doesn't have this model.")
    return of_peer(peer, x)


def peer_training(peer: nn.Module, x: Tensor) -> Work:
    """A training step of normflows' model."""
    loss, optimizer = peer_loss(peer, x), torch.optim.Adamax(peer.parameters(), lr=1e-6)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def peer_loss(peer: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """The loss that a training step of normflows' model differentiates."""
    return lambda: -peer.log_prob(x, None).mean()  # type: ignore[operator]


def peer_sampling(peer: nn.Module, x: Tensor) -> Work:
    """The work of drawing as many images as x has from normflows' model."""

    def draw() -> None:
        with torch.no_grad():
            peer.sample(len(x))  # type: ignore[operator]

    return draw


def normflows_glow(config: GlowConfig, x: Tensor) -> nn.Module | None:
    """Normflows' Glow with the same levels, steps, width and coupling, built as in its documentation.

    It has LU-decomposed 1x1 convolutions and unconditional latents. Its first batch, x, initialises it.

    Returns:
        The model, or None if normflows isn't installed or has no such layers.
    """
    try:
        import normflows  # noqa: PLC0415 (an optional extra)
    except ImportError:
        return None
    if not is_shared(config):
        return None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # normflows uses functions that torch has deprecated
        model = multiscale_flow(normflows, config).to(x.device)
        model.log_prob(x, None)
    return model


def is_shared(config: GlowConfig) -> bool:
    """True if normflows has these layers, too. Its couplings have Glow's own network, with a last kernel of 3x3."""
    parts = LAYOUTS.name_of(config.layout), COUPLINGS.name_of(config.coupling)
    same_networks = all(CONDITIONERS.normal(part) == "conv" for part in config.parts(CONDITIONERS))
    return same_networks and parts in {("glow", "affine"), ("glow", "additive")}


def multiscale_flow(normflows: Any, config: GlowConfig) -> Any:  # noqa: ANN401 (a module without types)
    """Normflows' model before its initialisation."""
    bases, flows, merges = [], [], []
    for index, shape in enumerate(reversed(config.latent_shapes)):  # normflows counts levels from the top
        level = config.at(config.num_levels - 1 - index)
        channels = 4 * level.shape[0]
        blocks: list[Any] = [
            normflows.flows.GlowBlock(channels, level.width, scale=config.coupling == "affine")
            for _ in range(level.steps)
        ]
        flows.append([*blocks, normflows.flows.Squeeze()])
        bases.append(normflows.distributions.DiagGaussian(shape))
        merges += [normflows.flows.Merge()] if index else []
    return normflows.MultiscaleFlow(bases, flows, merges, class_cond=False)
