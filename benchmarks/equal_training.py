"""Does it matter for the result how a training is executed? Equal trainings in each memory mode, and in bfloat16.

Trains a preset in each way and with each seed for equally many images, and evaluates each on the test split: bits/dim,
and whether images are encoded and decoded exactly (in float64, as `encode` does it; and in float32 and bfloat16 for
comparison). Each training is a line of the output file; those already there are not run again.

On a machine without bfloat16 arithmetic it's emulated (`bfloat16.py`).

    python -m benchmarks.equal_training results/equal-training.jsonl --images 8000
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

import torch

from benchmarks.bfloat16 import arithmetic
from benchmarks.gradients import reconstructions
from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.config import RunConfig
from glowflow.data import load
from glowflow.evaluate import likelihood
from glowflow.execution import Execution
from glowflow.presets import load as load_preset
from glowflow.training import Options, train

WAYS: dict[str, tuple[str, torch.dtype | None]] = {
    "store": ("store", None),
    "checkpoint": ("checkpoint", None),
    "reversible": ("reversible", None),
    "store, bfloat16": ("store", torch.bfloat16),
}


def run(preset: str, way: str, seed: int, images: int, folder: Path) -> Line:
    """Train and evaluate once."""
    base, (memory, precision) = load_preset(preset).run, WAYS[way]
    settings = replace(base.train, seed=seed, images=images, validate_every=images)
    config, out = RunConfig(base.model, settings), folder / f"{preset}-{way.replace(', ', '-')}-{images}-{seed}"
    with arithmetic() as kind:
        train(config, out, options=Options(Execution(memory, precision)))
        model, test = Glow.from_pretrained(out), load(settings.data, base.model.image_shape, "test")
        found = likelihood(model.freeze(), test)
        levels = reconstructions(model, test.batch(range(len(test)))[0])
    return {
        "test_bits_per_dim": found.bits_per_dim,
        "standard_error": found.standard_error,
        "test_images": len(test),
        "reconstruction_levels": levels,
        "bfloat16": kind if precision else None,
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
