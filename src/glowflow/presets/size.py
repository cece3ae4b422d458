"""How large a model is, without building it: parameters, and the arithmetic of a forward pass."""

from dataclasses import dataclass, replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from glowflow.config import GlowConfig
from glowflow.model import Glow


@dataclass(frozen=True)
class Size:
    """The size of a model."""

    parameters: int
    flops: int
    """Floating-point operations of a forward pass for one image; a multiplication and an addition count as two."""


def size(config: GlowConfig) -> Size:
    """The size of a model. It is linear in the number of steps of each level, so it follows from small models.

    Levels with equally many steps grow together.

    >>> size(GlowConfig((3, 32, 32))).parameters  # the original's CIFAR-10 model
    44603604
    """
    steps = [config.at(level).steps for level in range(config.num_levels)]
    base = _measure(replace(config, steps=1))
    parameters, flops = base.parameters, base.flops
    for count in set(steps):
        longer = _measure(replace(config, steps=tuple(1 + (each == count) for each in steps)))
        parameters += (count - 1) * (longer.parameters - base.parameters)
        flops += (count - 1) * (longer.flops - base.flops)
    return Size(parameters, flops)


def _measure(config: GlowConfig) -> Size:
    with torch.device("meta"):
        model = Glow(config)
        labels = torch.zeros(1, dtype=torch.int64) if config.num_classes else None
        images = torch.zeros(1, *config.image_shape, dtype=torch.uint8)
        noise = torch.zeros(images.shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.bits_per_dim(images, noise, labels)
    return Size(sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops())
