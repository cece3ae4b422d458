"""The commands that import weights from other code bases, and export them."""

from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.commands.inputs import check_new, check_parent, print_rows
from glowflow.errors import InputError
from glowflow.paths import quoted
from glowflow.shapes import shape_text

if TYPE_CHECKING:
    from glowflow.model import Glow


def import_openai(checkpoint: Path, out: Path, image_size: str | None = None, bits: int | None = None) -> None:
    """Convert a TensorFlow checkpoint of the original (openai/glow) to a glowflow model.

    Example: glowflow import openai model_best_loss.ckpt celeba --image-size 256 --bits 5

    Args:
        checkpoint: The prefix that its files PREFIX.index and PREFIX.data-00000-of-00001 share.
        out: The model's directory, which must not exist yet.
        image_size: Required, because the checkpoint doesn't record it: 32, or HEIGHTxWIDTH.
        bits: Required too: the bits per channel of its training.
    """
    from glowflow.importers import openai, tensorflow_checkpoint

    size, num_bits = _size(image_size), _bits(bits)
    check_new(out)
    variables = tensorflow_checkpoint.read(checkpoint)
    left_out = sum(openai.OPTIMIZER_SLOT.fullmatch(name) is not None for name in variables)
    read = f"{len(variables) - left_out} variables of the model; {left_out} of its optimiser left out"
    _write(openai.to_glow(variables, size, num_bits), out, read)


def import_rosinality(checkpoint: Path, out: Path, image_size: str | None = None, bits: int | None = None) -> None:
    """Convert a checkpoint of rosinality/glow-pytorch to a glowflow model.

    Example: glowflow import rosinality model_200001.pt celeba --image-size 64 --bits 5

    Args:
        checkpoint: The file (.pt) of its weights.
        out: The model's directory, which must not exist yet.
        image_size: Required, because the checkpoint doesn't record it: 32, or HEIGHTxWIDTH.
        bits: Required too: the bits per channel of its training, its --n_bits.
    """
    from glowflow.importers import rosinality, torch_checkpoint

    size, num_bits = _size(image_size), _bits(bits)
    check_new(out)
    tensors = torch_checkpoint.read(checkpoint)
    _write(rosinality.to_glow(tensors, size, num_bits), out, f"{len(tensors)} tensors")


def import_y0ast(checkpoint: Path, out: Path, permutation: str | None = None) -> None:
    """Convert a checkpoint of y0ast/Glow-PyTorch to a glowflow model.

    Example: glowflow import y0ast glow_checkpoint_195250.pt cifar10

    Args:
        checkpoint: The file (.pt) of its weights.
        out: The model's directory, which must not exist yet.
        permutation: "reverse" if the model was trained with reversed channels. The checkpoint doesn't record that.
    """
    from glowflow.importers import torch_checkpoint, y0ast

    if permutation not in {None, "reverse"}:
        raise InputError(f"--permutation is {permutation}; it takes reverse: a shuffle's order isn't in a checkpoint.")
    check_new(out)
    tensors = torch_checkpoint.read(checkpoint)
    _write(y0ast.to_glow(tensors, "reverse" if permutation else None), out, f"{len(tensors)} tensors")


def export_openai(model: str, out: Path) -> None:
    """Write a model as a TensorFlow checkpoint that the original (openai/glow) can restore, without classes' names.

    Example: glowflow export openai runs/faces32 model.ckpt

    Args:
        out: The prefix of its files, PREFIX.index and PREFIX.data-00000-of-00001.
    """
    from glowflow.importers import openai, tensorflow_checkpoint
    from glowflow.model import Glow

    for file in tensorflow_checkpoint.files(out):
        check_parent(file)
    variables = openai.from_glow(Glow.from_pretrained(model))
    tensorflow_checkpoint.write(out, variables | openai.fresh_optimizer(variables))
    index, data = tensorflow_checkpoint.files(out)
    print_rows(
        {"variables": f"{len(variables)} of the model; its optimiser's at their start", "written": f"{index}, {data}"}
    )


def _write(model: "Glow", out: Path, read: str) -> None:
    from glowflow.durable import replacing_directory

    with replacing_directory(out.resolve()) as partial:
        model.save_pretrained(partial)
    steps = f"{out}; next: glowflow sample {quoted(out)}; glowflow evaluate {quoted(out)} --data IMAGES"
    print_rows({"read": read, **_summary(model), "written": steps})


def _summary(model: "Glow") -> dict[str, str]:
    config = model.config
    classes = f", {config.num_classes} classes" if config.num_classes else ""
    classifier = " and a classifier" if config.classifier else ""
    prior = "learned" if config.learn_top else "fixed"
    return {
        "images": shape_text(config.image_shape) + f", {config.num_bits} bits{classes}{classifier}",
        "model": f"L = {config.num_levels}, K = {config.steps}, width {config.width}, {config.coupling} coupling, "
        f"{config.permutation}, {prior} top",
        "parameters": f"{sum(parameter.numel() for parameter in model.parameters()):,}",
    }


def _size(image_size: str | None) -> tuple[int, int]:
    if image_size is None:
        raise InputError(
            "Give the images' size, which the checkpoint doesn't record: --image-size 32, or HEIGHTxWIDTH."
        )
    sides = image_size.lower().split("x")
    if not all(side.isdecimal() for side in sides) or len(sides) > 2:
        raise InputError(f"--image-size is {image_size}; it takes a number, or HEIGHTxWIDTH, such as 24x32.")
    return int(sides[0]), int(sides[-1])


def _bits(bits: int | None) -> int:
    if bits is None:
        raise InputError("Give the bits per channel of the training, which the checkpoint doesn't record: --bits 8.")
    return bits
