"""A model as ONNX files: a graph for each of its functions, and one file with the weights of all."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from glowflow.bijections import Coupling
from glowflow.errors import InputError, one_line
from glowflow.export import operators  # noqa: F401  which register themselves
from glowflow.export.forms import for_runtimes
from glowflow.export.functions import Function, Functions, functions
from glowflow.export.graph import Graph, Weights, onnx
from glowflow.export.symbols import BATCH, Call, inputs
from glowflow.model import FrozenGlow

WEIGHTS = "weights.bin"


@torch.no_grad()
def write(model: FrozenGlow, folder: Path, made: Functions = functions) -> None:
    """Write a model's functions, by default `encoder.onnx`, `decoder.onnx` and `likelihood.onnx` (see `functions`).

    The number of images stays open in all of them. They share the file `weights.bin`.

    Args:
        model: The model, in float32 on the CPU.
        folder: An empty folder.
        made: Gives the functions of a model.

    Raises:
        InputError: If the model has a part of the user's own that can't be expressed in ONNX, or a size of `BATCH`.
    """
    if any(size and size % BATCH == 0 for tensor in model.state_dict().values() for size in tensor.shape):
        raise InputError(
            f"This model can't be exported, because {BATCH} is one of its sizes: that number stands for the batch."
        )
    weights, about = Weights(WEIGHTS), _about(model)
    for name, function in made(for_runtimes(model)).items():
        try:
            graph = recorded(function, weights)
        except Exception as error:
            if not model.config.foreign_parts:
                raise
            parts = ", ".join(model.config.foreign_parts)
            raise InputError(f"This model can't be exported, because of its own {parts}: {one_line(error)}") from error
        onnx().save(graph.model(name, about), folder / f"{name}.onnx")
    weights.write(folder)


def recorded(function: Function, weights: Weights) -> Graph:
    """The graph of a function."""
    graph = Graph(weights)
    value = function.compute(**inputs(graph, **function.inputs))
    whole = Call(graph, value).expanded(value, value.shape)
    graph.output(function.output, whole, value.dtype, ("batch", *value.shape[1:]))
    return graph


@torch.no_grad()
def round_networks(model: FrozenGlow) -> FrozenGlow:
    """Round the weights of the couplings' networks to float16, in place, and return the model.

    The networks compute the same in both directions, so the result is a flow with an exact inverse like the model
    itself. The matrices that mix the channels, and their inverses, stay as they are.

    Raises:
        InputError: If a weight is too large for float16.
    """
    networks = [module.conditioner for module in model.modules() if isinstance(module, Coupling)]
    for network in networks:
        for tensor in filter(Tensor.is_floating_point, (*network.parameters(), *network.buffers())):
            tensor.copy_(tensor.half())
            if not tensor.isfinite().all():
                raise InputError("A weight of the model is too large for float16: use float32.")
    return model


def _about(model: FrozenGlow) -> Mapping[str, str]:
    """What a user of a file may want to know about the model, as JSON by name."""
    config = model.config
    facts = {
        "image_shape": config.image_shape,
        "num_bits": config.num_bits,
        "latent_shapes": config.latent_shapes,
        "class_names": model.class_names,
    }
    return {name: json.dumps(fact) for name, fact in facts.items()}
