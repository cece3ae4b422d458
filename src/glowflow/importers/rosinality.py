"""Conversion of weights of rosinality/glow-pytorch to ours.

Its function differs in four ways. Actnorms may change the sign; hidden convolutions have a bias instead of an actnorm;
zero convolutions pad with ones; it puts means and scales into halves of the channels, where ours alternate.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from glowflow.bijections.actnorm import LOGS_FACTOR
from glowflow.config import GlowConfig
from glowflow.errors import InputError
from glowflow.importers.matching import Tensors, Tree, assemble, conv1x1, levels, take_lu, with_edge
from glowflow.model import Glow

FIRST = "blocks.0.flows.0"


def to_glow(tensors: Mapping[str, Tensor], image_size: tuple[int, int], num_bits: int) -> Glow:
    """The model that computes what theirs does. Its architecture follows from the tensors' names and shapes.

    Args:
        tensors: The state dict, from `torch_checkpoint.read`.
        image_size: (H, W), which no tensor records.
        num_bits: The bits per channel of the training images, which no tensor records.

    Raises:
        InputError: If a tensor is missing, unknown or of a wrong shape, or the model is untrained or not invertible.
    """
    found = Tensors(tensors)
    config = _config(found, image_size, num_bits)
    tree: Tree = {
        "levels": levels(config, partial(_step, found, config), partial(_split, found)),
        "prior": {"network": {"conv": _top(found, config)}},
    }
    found.finish()
    return assemble(config, tree)


def _config(found: Tensors, image_size: tuple[int, int], num_bits: int) -> GlowConfig:
    channels = found.shape(f"{FIRST}.actnorm.loc", 4)[1]
    outputs = found.shape(f"{FIRST}.coupling.net.4.conv.weight", 4)[0]
    dense = found.count(r"blocks\.\d+\.flows\.\d+\.invconv\.weight$")  # their last level is LU even with --no_lu
    return GlowConfig(
        (channels // 4, *image_size),
        levels=found.count(r"blocks\.\d+\."),
        steps=found.count(r"blocks\.0\.flows\.\d+\."),
        width=found.shape(f"{FIRST}.coupling.net.0.weight", 4)[0],
        coupling="affine" if outputs == channels else "additive",
        permutation="conv1x1" if dense else "conv1x1-lu",
        num_bits=num_bits,
    )


def _step(found: Tensors, config: GlowConfig, level: int, index: int, channels: int) -> Tree:
    """One step. The signs of the actnorm's scale move into the matrix that follows it."""
    name = f"blocks.{level}.flows.{index}"
    bias, scale = _actnorm(found, f"{name}.actnorm", channels)
    matrix = scale.sign() * _matrix(found, f"{name}.invconv", channels)
    return {
        "0": {"bias": bias, "logs": scale.abs().log() / LOGS_FACTOR},
        "1": conv1x1(config, f"{name}.invconv", matrix),
        "2": {"conditioner": _conditioner(found, f"{name}.coupling.net", config, channels)},
    }


def _actnorm(found: Tensors, name: str, channels: int) -> tuple[Tensor, Tensor]:
    """Bias and scale."""
    if not found.take(f"{name}.initialized"):
        raise InputError(f"The checkpoint's model hasn't been trained: {name} isn't initialised.")
    scale = found.take(f"{name}.scale", 1, channels, 1, 1).flatten()
    if not scale.all():
        raise InputError(f"The checkpoint's {name}.scale is zero in a channel, so the model can't be inverted.")
    return found.take(f"{name}.loc", 1, channels, 1, 1).flatten(), scale


def _matrix(found: Tensors, name: str, channels: int) -> Tensor:
    """The matrix (out, in) of a 1x1 convolution, dense or LU-decomposed."""
    if f"{name}.weight" in found:
        return found.take(f"{name}.weight", channels, channels, 1, 1)[:, :, 0, 0]
    ones = torch.ones(channels, channels)
    found.take_constant(f"{name}.u_mask", ones.triu(1))
    found.take_constant(f"{name}.l_mask", ones.tril(-1))
    found.take_constant(f"{name}.l_eye", torch.eye(channels))
    return take_lu(found, name, channels, ("w_p", "w_l", "w_u", "s_sign", "w_s"))


def _conditioner(found: Tensors, name: str, config: GlowConfig, channels: int) -> Tree:
    inputs, width = channels // 2, config.at(0).width
    if config.coupling == "affine":
        last = _interleaved(_zero_conv(found, f"{name}.4", width, channels), order=(1, 0))  # log-scale, shift
    else:
        last = _zero_conv(found, f"{name}.4", width, inputs)
    return {
        "conv1": {"weight": with_edge(found.take(f"{name}.0.weight", width, inputs, 3, 3), padding=0)},
        "norm1": _norm(found, f"{name}.0.bias", width),
        "conv2": {"weight": found.take(f"{name}.2.weight", width, width, 1, 1)},
        "norm2": _norm(found, f"{name}.2.bias", width),
        "conv3": last,
    }


def _norm(found: Tensors, name: str, channels: int) -> Tree:
    """An actnorm that only adds a bias."""
    return {"bias": found.take(name, channels), "logs": torch.zeros(channels)}


def _split(found: Tensors, level: int, channels: int) -> Tree:
    return _interleaved(_zero_conv(found, f"blocks.{level}.prior", channels // 2, channels), order=(0, 1))


def _top(found: Tensors, config: GlowConfig) -> Tree:
    """The convolution of the prior, whose input is zeros. Ours has twice as many inputs."""
    channels = config.latent_shapes[-1][0]
    conv = _zero_conv(found, f"blocks.{config.num_levels - 1}.prior", channels, 2 * channels)
    more = torch.zeros(2 * channels, channels, 3, 3)
    return {**conv, "weight": torch.cat([more, conv["weight"]], dim=1)}


def _zero_conv(found: Tensors, name: str, inputs: int, outputs: int) -> dict[str, Tensor]:
    return {
        "weight": with_edge(found.take(f"{name}.conv.weight", outputs, inputs, 3, 3), padding=1),
        "bias": found.take(f"{name}.conv.bias", outputs),
        "logs": found.take(f"{name}.scale", 1, outputs, 1, 1).flatten(),
    }


def _interleaved(conv: Mapping[str, Tensor], order: tuple[int, int]) -> Tree:
    """A convolution whose two halves of outputs, in this order, alternate channel by channel."""
    first, second = order
    halves = {name: tensor.chunk(2) for name, tensor in conv.items()}
    return {name: torch.stack([half[first], half[second]], dim=1).flatten(0, 1) for name, half in halves.items()}
