"""The commands that take weights from other code bases, and give them back."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow.commands.inputs import check_parent, print_rows
from glowflow.errors import InputError

if TYPE_CHECKING:
    from glowflow.model import Glow

Size = int | tuple[int, int]


def import_openai(checkpoint: Path, out: Path, image_size: Size | None = None, bits: int = 8) -> None:
    """Turn a TensorFlow checkpoint of the original (openai/glow) into a model of ours.

    Example: glowflow import openai logs/model_best_loss.ckpt celeba --image-size 256 --bits 5

    Args:
        checkpoint: The prefix that its files PREFIX.index and PREFIX.data-00000-of-00001 share.
        out: The model's directory, made anew.
        image_size: Height and width of the images, a number or [height, width]; no checkpoint tells it.
        bits: Bits per channel that it was trained at; no checkpoint tells them either.
    """
    from glowflow.importers import openai, tensorflow_checkpoint

    size = _size(image_size)
    _check_new(out)
    variables = tensorflow_checkpoint.read(checkpoint)
    passed_over = sum(openai.OPTIMIZER_SLOT.fullmatch(name) is not None for name in variables)
    read = f"{len(variables) - passed_over} variables of the model; {passed_over} of its optimiser passed over"
    _write(openai.to_glow(variables, size, bits), out, read)


def import_rosinality(checkpoint: Path, out: Path, image_size: Size | None = None, bits: int = 5) -> None:
    """Turn a checkpoint of rosinality/glow-pytorch into a model of ours.

    Example: glowflow import rosinality checkpoint/model_200001.pt celeba --image-size 64 --bits 5

    Args:
        checkpoint: The file (.pt) of its weights.
        out: The model's directory, made anew.
        image_size: Height and width of the images, a number or [height, width]; no checkpoint tells it.
        bits: Bits per channel that it was trained at (its --n_bits).
    """
    from glowflow.importers import rosinality, torch_checkpoint

    size = _size(image_size)
    _check_new(out)
    tensors = torch_checkpoint.read(checkpoint)
    _write(rosinality.to_glow(tensors, size, bits), out, f"{len(tensors)} tensors")


def import_y0ast(checkpoint: Path, out: Path, bits: int = 8, permutation: Literal["reverse"] | None = None) -> None:
    """Turn a checkpoint of y0ast/Glow-PyTorch into a model of ours.

    Example: glowflow import y0ast glow_checkpoint_195250.pt cifar10

    Args:
        checkpoint: The file (.pt) of its weights.
        out: The model's directory, made anew.
        bits: Bits per channel that it was trained at.
        permutation: "reverse" for a model trained with reversed channels, which no checkpoint tells from a shuffle.
    """
    from glowflow.importers import torch_checkpoint, y0ast

    _check_new(out)
    tensors = torch_checkpoint.read(checkpoint)
    _write(y0ast.to_glow(tensors, bits, permutation), out, f"{len(tensors)} tensors")


def export_openai(model: str, out: Path) -> None:
    """Write a model as a TensorFlow checkpoint that the original (openai/glow) reads.

    Example: glowflow export openai runs/faces32 model.ckpt

    Args:
        model: A run's directory, a directory made by save_pretrained, or a name on the hub.
        out: The prefix of its files, PREFIX.index and PREFIX.data-00000-of-00001.
    """
    from glowflow.importers import openai, tensorflow_checkpoint
    from glowflow.model import Glow

    check_parent(out)
    variables = openai.from_glow(Glow.from_pretrained(model))
    tensorflow_checkpoint.write(out, variables)
    print_rows({"variables": str(len(variables)), "written": f"{out}.index, {out}.data-00000-of-00001"})


def _check_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already: give a new directory.")


def _write(model: "Glow", out: Path, read: str) -> None:
    from glowflow.weights import replacing_directory

    with replacing_directory(out) as partial:
        model.save_pretrained(partial)
    steps = f"{out}; next: glowflow sample {out}; glowflow evaluate {out} --data IMAGES"
    print_rows({"read": read, **_summary(model), "written": steps})


def _summary(model: "Glow") -> dict[str, str]:
    config = model.config
    classes = f", {config.num_classes} classes" if config.num_classes else ""
    classifier = " and a classifier" if config.classifier else ""
    prior = "learned" if config.learn_top else "fixed"
    return {
        "images": "x".join(map(str, config.image_shape)) + f", {config.num_bits} bits{classes}{classifier}",
        "model": f"L = {config.num_levels}, K = {config.steps}, width {config.width}, {config.coupling} coupling, "
        f"{config.permutation}, {prior} top",
        "parameters": f"{sum(parameter.numel() for parameter in model.parameters()):,}",
    }


def _size(image_size: Size | None) -> tuple[int, int]:
    if image_size is None:
        raise InputError("Give the images' size, which no checkpoint tells: --image-size 32, or [height, width].")
    return (image_size, image_size) if isinstance(image_size, int) else image_size
