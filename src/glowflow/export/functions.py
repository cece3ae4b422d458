"""What a model computes, as functions of tensors alone: those that are exported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from glowflow.images import dequantize, to_uint8
from glowflow.model import Glow


@dataclass(frozen=True)
class Function:
    """A function with names for its inputs and its output.

    Attributes:
        inputs: For each input, an example for one image, of its shape and type.
        output: The name of the output.
        compute: Takes the inputs by name, for several images, and gives the output.
    """

    inputs: Mapping[str, Tensor]
    output: str
    compute: Callable[..., Tensor]


Functions: TypeAlias = Callable[[Glow], dict[str, Function]]
"""Gives functions of a model by their names."""


def functions(model: Glow) -> dict[str, Function]:
    """The exported functions of a model by their names. Those of a class-conditional model also take labels (B,).

    - `encoder` gives the latents (B, D) of images (B, C, H, W), uint8, as `Glow.encode` does without noise.
    - `decoder` gives the images of latents, as `Glow.decode` does.
    - `likelihood` gives the bits/dim (B,) of images and noise, as `Glow.bits_per_dim` does.
    """
    config, dtype = model.config, model.dtype
    images = torch.zeros(config.image_shape, dtype=torch.uint8)
    latents, noise = torch.zeros(config.num_dims), torch.zeros(config.image_shape)
    labels = {"labels": torch.zeros((), dtype=torch.int64)} if config.num_classes else {}

    def encode(images: Tensor, labels: Tensor | None = None) -> Tensor:
        return model.flatten(model(dequantize(images, config.num_bits).to(dtype), labels)[0])

    def decode(latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return to_uint8(model.inverse(model.unflatten(latents.to(dtype)), labels), config.num_bits)

    def likelihood(images: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return model.bits_per_dim(images, noise, labels)

    return {
        "encoder": Function({"images": images, **labels}, "latents", encode),
        "decoder": Function({"latents": latents, **labels}, "images", decode),
        "likelihood": Function({"images": images, "noise": noise, **labels}, "bits_per_dim", likelihood),
    }
