"""The commands that write a model for other runtimes: ONNX files, and the page as a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow.commands.demo import directions_of, name_of
from glowflow.commands.examples import check_examples, examples_of, number_of_examples
from glowflow.commands.inputs import check_new, print_rows
from glowflow.errors import InputError, counted
from glowflow.paths import quoted
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.scoring.where import UsualBits
    from glowflow.stored import StoredModel

Weights = Literal["float32", "float16"]


def onnx(model: str, out: Path, weights: Weights = "float32") -> None:
    """Write a model's encoder, decoder and likelihood as ONNX files, which run without glowflow and PyTorch.

    Example: glowflow export onnx runs/faces32 faces-onnx

    Args:
        out: The directory of the files, which must not exist yet.
        weights: The type in which the networks' weights are stored; float16 halves their file. All files compute in
            float32.
    """
    from glowflow.durable import replacing_directory
    from glowflow.export import checking, onnx_files
    from glowflow.model import Glow

    check_new(out)
    glow = Glow.from_pretrained(model).freeze()
    frozen = onnx_files.round_networks(glow) if weights == "float16" else glow
    with replacing_directory(out.resolve()) as folder:
        onnx_files.write(frozen, folder)
        differences = checking.check(frozen, folder)
    size = sum(file.stat().st_size for file in out.iterdir())
    found = {name: f"{out / name}.onnx, differs by at most {most:.1g}" for name, most in differences.items()}
    print_rows({**found, "weights": f"{out / onnx_files.WEIGHTS}, {weights}; all files: {size / 1e6:.1f} MB"})


def web(
    model: str,
    out: Path,
    weights: Weights = "float16",
    runtime: Path | None = None,
    examples: int | None = None,
    without_webgpu: bool = False,
) -> None:
    """Write the page of a model as a folder for any static host. The model then runs in the visitor's browser.

    Example: glowflow export web runs/edits page

    Args:
        out: The directory of the page, which must not exist yet.
        weights: The type in which the networks' weights are stored; float16 halves what a visitor loads.
        runtime: The folder of the npm package onnxruntime-web. By default it's where npm puts it, in this folder or
            for all folders.
        examples: The number of test images that are stored with the page as starting points. They come from the data
            that the model was trained on, if it's on this machine. Every visitor can see them. By default it's 24, or
            0 if the images are yours.
        without_webgpu: Leave out the runtime for graphics cards, which browsers with WebGPU load after the first
            picture.
    """
    from glowflow.demo import site, web_runtime
    from glowflow.durable import replacing_directory
    from glowflow.export import onnx_files
    from glowflow.model import Glow
    from glowflow.stored import StoredModel

    check_new(out)
    check_examples(examples or 0)
    place = web_runtime.found(runtime)
    stored = StoredModel.open(model)
    glow = Glow.from_pretrained(stored).freeze()
    frozen = onnx_files.round_networks(glow) if weights == "float16" else glow
    images = examples_of(stored, glow, number_of_examples(examples, stored, is_private=False))
    with replacing_directory(out.resolve()) as folder:
        site.write(
            frozen,
            name_of(model),
            directions_of(stored),
            stored.usual,
            place,
            folder,
            examples=images,
            where=_usual_bits(stored),
            webgpu=web_runtime.has_webgpu(place) and not without_webgpu,
        )
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    look = f"python -m http.server --bind 127.0.0.1 --directory {quoted(out)}"
    shown = f"{counted(len(images), 'test image')} of {images.name}, which every visitor sees" if images else "none"
    rows = {"written": f"{out}, {size / 1e6:.1f} MB", "examples": shown}
    print_rows({**rows, "next": f"{look}, and open http://localhost:8000"})


def _usual_bits(stored: "StoredModel") -> "UsualBits | None":
    """The bits that usual images take at each pixel, if that is known; the page has no maps without them."""
    from glowflow.scoring.reference import Reference

    try:
        reference = Reference.stored(stored)
    except InputError as error:
        say(f"The page doesn't show where an image is unusual. {error}")
        return None
    return None if reference is None else reference.where
