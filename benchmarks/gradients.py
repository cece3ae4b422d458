"""How exact are gradients and reconstructions, by memory mode and precision, on trained models?

For each run, the gradient of bits/dim on a batch of its test images is compared with that of `store` in float64, as
||g - exact|| / ||exact|| over all parameters. The reversible mode is measured without anchors too. Then images are
encoded and decoded, in float64 as `encode` does it, and in float32 and bfloat16 for comparison.

    python -m benchmarks.gradients results/exactness/gradients.jsonl runs/faces-deep
"""

import argparse
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.bfloat16 import arithmetic
from glowflow import Glow
from glowflow.data import load
from glowflow.execution import Execution
from glowflow.images import dequantize, quantize, to_uint8
from glowflow.noise import Stream, uniform_noise
from glowflow.parts import MEMORIES, Part
from glowflow.provenance import provenance
from glowflow.training.run import read_config

PARTS = ("coupling", "conditioner", "dequantizer")
WAYS: dict[str, Part] = {
    **{name: name for name in MEMORIES.names},
    "reversible without anchors": {"kind": "reversible", "anchor_interval": 10**9},
}


def gradient(model: Glow, images: Tensor) -> Tensor:
    """The gradient of mean bits/dim by all parameters, those of the dequantizer among them, as one vector, float64."""
    model.zero_grad(set_to_none=True)
    noise = uniform_noise(0, Stream.EVALUATION, 0, len(images), model.config.image_shape)
    model.bits_per_dim(images, noise).mean().backward()
    return torch.cat([p.grad.flatten().double() for p in model.parameters() if p.grad is not None])


def gradients(model: Glow, images: Tensor) -> dict[str, float]:
    """Relative errors of the gradient by mode, precision and distance of anchors."""
    exact = gradient(deepcopy(model).double(), images)
    errors = {}
    for precision in (None, torch.bfloat16):
        for memory, part in WAYS.items():
            found = gradient(model.execute(Execution(part, precision)), images)
            name = f"{'bfloat16' if precision else 'float32'} {memory}"
            errors[name] = float((found - exact).norm() / exact.norm())
    model.execute(Execution())
    return errors


@torch.no_grad()
def reconstructions(model: Glow, images: Tensor) -> dict[str, int]:
    """The largest difference in levels, by the type of the round trip's numbers."""
    bits = model.config.num_bits
    wanted = quantize(images, bits).int()
    worst = {"float64": int((model.decode(model.encode(images)).int() - wanted).abs().max()) >> (8 - bits)}
    x = dequantize(images, bits)
    for name, precision in (("float32", None), ("bfloat16", torch.bfloat16)):
        latents, _ = model.execute(Execution(precision=precision))(x)
        worst[name] = int((to_uint8(model.inverse(latents), bits).int() - wanted).abs().max()) >> (8 - bits)
    model.execute(Execution())
    return worst


def measure(run: Path, num_images: int) -> dict[str, Any]:
    """All figures of a run's best checkpoint."""
    model = Glow.from_pretrained(run)
    test = load(read_config(run)["train"]["data"], model.config.image_shape, "test")
    images, _ = test.batch(range(num_images))
    with arithmetic() as kind:
        errors, levels = gradients(model, images[:16]), reconstructions(model, images)
    return {
        "run": run.name,
        "steps": model.config.steps,
        "width": model.config.width,
        **{part: getattr(model.config, part) for part in PARTS},
        "gradient_errors": errors,
        "reconstruction_levels": levels,
        "num_images": num_images,
        "bfloat16": kind,
        **provenance(),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    with options.out.open("a") as file:
        for run in options.runs:
            line = measure(run, options.images)
            file.write(json.dumps(line) + "\n")
            print(f"{line['run']}: K = {line['steps']}, width {line['width']}")
            for name, error in line["gradient_errors"].items():
                print(f"  gradient, {name:34} {error:.1e}")
            print(f"  reconstruction, levels off at most: {line['reconstruction_levels']}")


if __name__ == "__main__":
    main()
