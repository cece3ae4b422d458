"""Conversion of weights of y0ast/Glow-PyTorch to ours.

Its function differs in two ways. Actnorms learn ln(scale), not a third of it; convolutions have no edge channel.
"""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from glowflow.bijections.actnorm import LOGS_FACTOR
from glowflow.config import GlowConfig
from glowflow.errors import InputError
from glowflow.importers.matching import Tensors, Tree, assemble, conv1x1, levels, take_lu, with_edge
from glowflow.model import Glow

FIRST = "flow.layers.1"
"""Layer 0 is a squeeze."""
NUM_BITS = 8
"""Their code dequantises and scores images at 8 bits, even if it quantises them to fewer."""


def to_glow(tensors: Mapping[str, Tensor], permutation: Literal["reverse"] | None = None) -> Glow:
    """The model that computes what theirs does. Its architecture follows from the tensors' names and shapes.

    Args:
        tensors: The state dict, from `torch_checkpoint.read`.
        permutation: "reverse" for a model that was trained with reversals. No tensor tells it from a model with
            shuffles, which can't be imported, because their order isn't stored.

    Raises:
        InputError: If a tensor is missing, unknown or of a wrong shape, the permutation is unknown, or the model isn't
            invertible.
    """
    found = Tensors(tensors)
    config = _config(found, permutation)
    channels = config.latent_shapes[-1][0]
    tree: Tree = {
        "levels": levels(config, partial(_step, found, config), partial(_split, found, config)),
        "prior": {"network": _top(found, config)},
        "classifier": _linear(found, "project_class", channels, config.num_classes) if config.classifier else {},
    }
    found.finish()
    return assemble(config, tree)


def _config(found: Tensors, permutation: Literal["reverse"] | None) -> GlowConfig:
    channels = found.shape(f"{FIRST}.actnorm.bias", 4)[1]
    outputs = found.shape(f"{FIRST}.block.4.conv.weight", 4)[0]
    height, width = found.shape("prior_h", 4)[2:]
    num_levels = 1 + found.count(r"flow\.layers\.\d+\.conv\.")  # a split ends each level but the last
    num_classes = found.shape("project_ycond.linear.weight", 2)[1] if found.count("project_") else 0
    return GlowConfig(
        (channels // 4, height << num_levels, width << num_levels),
        levels=num_levels,
        steps=found.count(r"flow\.layers\.\d+\.actnorm\.") // num_levels,
        width=found.shape(f"{FIRST}.block.0.conv.weight", 4)[0],
        coupling="affine" if outputs == channels else "additive",
        permutation=_permutation(found, permutation),
        num_bits=NUM_BITS,
        learn_top=bool(found.count(r"learn_top_fn\.")),
        num_classes=num_classes,
        classifier=bool(num_classes),
    )


def _permutation(found: Tensors, given: Literal["reverse"] | None) -> Literal["conv1x1", "conv1x1-lu", "reverse"]:
    has_convolutions = bool(found.count(r"flow\.layers\.\d+\.invconv\."))
    if has_convolutions and given:
        raise InputError(f"The checkpoint has 1x1 convolutions; its permutation can't be {given!r}.")
    if not has_convolutions and not given:
        raise InputError(
            "The checkpoint has no 1x1 convolutions, and doesn't record what takes their place: give "
            "permutation='reverse' if it has reversals; a shuffle can't be imported, because its order isn't stored."
        )
    return given or ("conv1x1" if found.count(r"flow\.layers\.\d+\.invconv\.weight$") else "conv1x1-lu")


def _step(found: Tensors, config: GlowConfig, level: int, index: int, channels: int) -> Tree:
    name = _layer(config, level, 1 + index)
    return {
        "0": _actnorm(found, f"{name}.actnorm", channels),
        "1": _mixing(found, f"{name}.invconv", config, channels),
        "2": {"conditioner": _conditioner(found, f"{name}.block", config, channels)},
    }


def _split(found: Tensors, config: GlowConfig, level: int, channels: int) -> Tree:
    return _zero_conv(found, f"{_layer(config, level, 1 + config.at(level).steps)}.conv", channels // 2, channels)


def _layer(config: GlowConfig, level: int, position: int) -> str:
    """The name of a layer by its position in a level, which is a squeeze, the steps and a split."""
    return f"flow.layers.{level * (config.at(level).steps + 2) + position}"


def _actnorm(found: Tensors, name: str, channels: int) -> Tree:
    bias, logs = (found.take(f"{name}.{part}", 1, channels, 1, 1).flatten() for part in ("bias", "logs"))
    return {"bias": bias, "logs": logs / LOGS_FACTOR}


def _mixing(found: Tensors, name: str, config: GlowConfig, channels: int) -> Tree:
    if config.permutation == "reverse":
        return {}
    if config.permutation == "conv1x1":
        return conv1x1(config, name, found.take(f"{name}.weight", channels, channels))
    return conv1x1(config, name, take_lu(found, name, channels, ("p", "lower", "upper", "sign_s", "log_s")))


def _conditioner(found: Tensors, name: str, config: GlowConfig, channels: int) -> Tree:
    inputs, width = channels // 2, config.at(0).width
    outputs = channels if config.coupling == "affine" else inputs
    return {
        "conv1": {"weight": with_edge(found.take(f"{name}.0.conv.weight", width, inputs, 3, 3), padding=0)},
        "norm1": _actnorm(found, f"{name}.0.actnorm", width),
        "conv2": {"weight": found.take(f"{name}.2.conv.weight", width, width, 1, 1)},
        "norm2": _actnorm(found, f"{name}.2.actnorm", width),
        "conv3": _zero_conv(found, f"{name}.4", width, outputs),
    }


def _top(found: Tensors, config: GlowConfig) -> Tree:
    channels, height, width = config.latent_shapes[-1]
    outputs = 2 * channels
    found.take_constant("prior_h", torch.zeros(1, outputs, height, width))
    return {
        "conv": _zero_conv(found, "learn_top_fn", outputs, outputs) if config.learn_top else {},
        "embedding": _linear(found, "project_ycond", config.num_classes, outputs) if config.num_classes else {},
    }


def _zero_conv(found: Tensors, name: str, inputs: int, outputs: int) -> Tree:
    return {
        "weight": with_edge(found.take(f"{name}.conv.weight", outputs, inputs, 3, 3), padding=0),
        "bias": found.take(f"{name}.conv.bias", outputs),
        "logs": found.take(f"{name}.logs", outputs, 1, 1).flatten(),
    }


def _linear(found: Tensors, name: str, inputs: int, outputs: int) -> Tree:
    return {
        "weight": found.take(f"{name}.linear.weight", outputs, inputs),
        "bias": found.take(f"{name}.linear.bias", outputs),
        "logs": found.take(f"{name}.logs", outputs),
    }
