"""Does it matter for the result how a training is executed? Equal trainings in each memory mode, and in bfloat16.

Trains a preset in each way and with each seed for equally many images, and evaluates each on the test split: bits/dim,
and whether images are encoded and decoded exactly (in float64, as `encode` does it; and in float32 and bfloat16 for
comparison). Each training is a line of the output file; those already there are not run again.

On a machine without bfloat16 arithmetic it's emulated: products of bfloat16 tensors are computed in float32 and rounded
to bfloat16, which is what the hardware does (it accumulates in float32).

    python benchmarks/equal_training.py results/equal-training.jsonl --images 8000
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from gradients import reconstructions
from lines import Line, complete
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from glowflow import Glow
from glowflow.config import RunConfig
from glowflow.data import load
from glowflow.evaluate import likelihood
from glowflow.execution import Execution, Memory, fast_precision
from glowflow.presets import load as load_preset
from glowflow.training import train

WAYS: dict[str, tuple[Memory, torch.dtype | None]] = {
    "store": ("store", None),
    "checkpoint": ("checkpoint", None),
    "reversible": ("reversible", None),
    "store, bfloat16": ("store", torch.bfloat16),
}
PRODUCTS = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
}


class EmulatedBfloat16(TorchDispatchMode):
    """Products of bfloat16 tensors are computed in float32 and rounded."""

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Run an operation of PyTorch's."""
        if function in PRODUCTS and any(_is_bfloat16(argument) for argument in args):
            exact = function(*tree_map_only(Tensor, Tensor.float, args), **(kwargs or {}))
            return tree_map_only(Tensor, Tensor.bfloat16, exact)
        return function(*args, **(kwargs or {}))


def _is_bfloat16(argument: object) -> bool:
    return isinstance(argument, Tensor) and argument.dtype == torch.bfloat16


def run(preset: str, way: str, seed: int, images: int, folder: Path) -> Line:
    """Train and evaluate once."""
    base, (memory, precision) = load_preset(preset).run, WAYS[way]
    settings = replace(base.train, seed=seed, images=images, validate_every=images)
    config, out = RunConfig(base.model, settings), folder / f"{preset}-{way.replace(', ', '-')}-{images}-{seed}"
    emulated = fast_precision("cpu") is None
    emulation = EmulatedBfloat16() if emulated else nullcontext()  # type: ignore[no-untyped-call]
    with emulation if precision else nullcontext():
        train(config, out, execution=Execution(memory, precision))
    model = Glow.from_pretrained(out)
    test = load(settings.data, base.model.image_shape, "test")
    found = likelihood(model.freeze(), test)
    with emulation:
        levels = reconstructions(model, test.batch(range(len(test)))[0])
    return {
        "test_bits_per_dim": found.bits_per_dim,
        "standard_error": found.standard_error,
        "test_images": len(test),
        "reconstruction_levels": levels,
        "bfloat16": ("emulated" if emulated else "native") if precision else None,
    }


def main() -> None:
    """Run what the output file lacks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="faces32")
    parser.add_argument("--images", type=int, required=True, help="length of each training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    options = parser.parse_args()
    wanted = [
        {"preset": options.preset, "way": way, "seed": seed, "images": options.images}
        for seed in range(options.seeds)
        for way in WAYS
    ]
    lines = complete(options.out, partial(run, folder=options.runs), wanted)
    for way in WAYS:
        mine = [line for line in lines if line["way"] == way]
        bits = [line["test_bits_per_dim"] for line in mine]
        levels = [line["reconstruction_levels"] for line in mine]
        worst = {kind: max(level[kind] for level in levels) for kind in levels[0]}
        each = ", ".join(f"{value:.4f}" for value in bits)
        print(f"{way:16} {fmean(bits):.4f} bits/dim ({each}); levels off: {worst}")


if __name__ == "__main__":
    main()
