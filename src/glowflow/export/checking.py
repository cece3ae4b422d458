"""Exported files are compared with the model itself, by ONNX Runtime."""

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from glowflow.errors import InputError, one_line
from glowflow.export.functions import Function, Functions, functions
from glowflow.export.runtime import run, session
from glowflow.images import quantize
from glowflow.model import FrozenGlow
from glowflow.noise import uniform

TOLERANCE = 1e-4
"""The largest difference of latents, and of bits/dim."""
ROUNDING = 4.0
"""Where the model's own float32 is less exact than `TOLERANCE`, so many times its error is allowed."""
IMAGES, TEMPERATURE = 3, 0.7
"""The images that are compared: random ones, drawn at this temperature."""

Tensors = dict[str, Tensor]


@torch.no_grad()
def check(model: FrozenGlow, folder: Path, made: Functions = functions) -> dict[str, float]:
    """Compare the files in a folder with the model that they were made of.

    The decoder has to give back every pixel of random images from their latents, unless the model itself fails to do so
    in float32. Latents and bits/dim may differ from those in float64 by 1e-4, or by four times the error of the model's
    own float32 if that is more.

    Args:
        model: The model.
        folder: The folder.
        made: Gives the functions of a model whose files are there, the encoder and the decoder among them.

    Returns:
        The largest difference of each function.

    Raises:
        InputError: If a function differs by more, or can't be run.
    """
    examples, exact = _examples(model), made(deepcopy(model).double())
    truths = {name: each.compute(**{key: examples[key] for key in each.inputs}) for name, each in exact.items()}
    truths["decoder"] = examples["images"]
    return {name: _check(name, each, truths[name], examples, folder) for name, each in made(model).items()}


def _examples(model: FrozenGlow) -> Tensors:
    """Inputs of all functions, by name."""
    config, generator = model.config, torch.Generator().manual_seed(0)
    labels = {"labels": torch.arange(IMAGES) % config.num_classes} if config.num_classes else {}
    images = quantize(model.sample(IMAGES, TEMPERATURE, labels.get("labels"), generator), config.num_bits)
    noise = uniform(IMAGES, config.num_dims, generator).view(images.shape)
    latents = functions(model)["encoder"].compute(images, **labels)
    return {"images": images, "noise": noise, "latents": latents, **labels}


def _check(name: str, function: Function, truth: Tensor, examples: Tensors, folder: Path) -> float:
    """The largest difference from the truth, for several images together and for the first one alone."""
    given = {key: examples[key] for key in function.inputs}
    found = _found(name, given, folder)
    own = _difference(function.compute(**given), truth)
    allowed = own if name == "decoder" else max(TOLERANCE, ROUNDING * own)
    difference = max(_difference(each, truth[: len(each)]) for each in found)
    if not difference <= allowed:
        raise InputError(f"The exported {name} would differ by {difference:.2g}; at most {allowed:.2g} is allowed.")
    return difference


def _found(name: str, given: Tensors, folder: Path) -> tuple[Tensor, Tensor]:
    """What ONNX Runtime computes for all images, and for the first."""
    try:
        ready = session(folder / f"{name}.onnx")
        return run(ready, given), run(ready, {key: value[:1] for key, value in given.items()})
    except InputError:
        raise
    except Exception as error:  # it has its own kinds of errors
        raise InputError(f"ONNX Runtime can't run the exported {name}: {one_line(error)}") from error


def _difference(found: Tensor, truth: Tensor) -> float:
    return float((found.double() - truth.double()).abs().max())
