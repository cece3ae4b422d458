"""The same work done by `normflows`, from the package registry, to measure against."""

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from glowflow.config import GlowConfig
from glowflow.parts import LAYOUTS

if TYPE_CHECKING:
    from torch import nn


def normflows_glow(config: GlowConfig, x: Tensor) -> "nn.Module | None":
    """Normflows' Glow of the same levels, steps, width and coupling, as its documentation builds it.

    It has LU-decomposed 1x1 convolutions and unconditional latents, and initialises itself at its first batch, x.

    Returns:
        The model, or None where normflows isn't installed or has no such layers.
    """
    try:
        import normflows  # noqa: PLC0415 (an optional extra)
    except ImportError:
        return None
    if LAYOUTS.name_of(config.layout) != "glow" or config.coupling not in {"affine", "additive"}:
        return None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # it uses functions that torch has deprecated
        model = multiscale_flow(normflows, config).to(x.device)
        model.log_prob(x, None)
    return model


def multiscale_flow(normflows: Any, config: GlowConfig) -> Any:  # noqa: ANN401 (a module without types)
    """Its layers, which aren't initialised yet."""
    bases, flows, merges = [], [], []
    for index, shape in enumerate(reversed(config.latent_shapes)):  # it counts from the latents up
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
