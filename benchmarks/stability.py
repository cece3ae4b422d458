"""Does the digits preset train without trouble, whatever the seed? And what happens at ten times the rate?

Trains the preset for some steps per seed and coupling, and counts steps whose loss or gradient wasn't finite. Each
training is a line of the output file; those already there are not run again, so it can be interrupted at any time.

    python -m benchmarks.stability results/stability.jsonl
    python -m benchmarks.stability results/stability-10x.jsonl --rate 10 --seeds 4
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.config import RunConfig
from glowflow.data import load
from glowflow.errors import TrainingDivergedError
from glowflow.evaluate import likelihood
from glowflow.presets import load as load_preset
from glowflow.training import train


def run(seed: int, coupling: str, rate: float, steps: int) -> Line:
    """Train once and say how it went."""
    preset = load_preset("digits").run
    images = steps * preset.train.batch_size
    settings = replace(preset.train, seed=seed, lr=rate * preset.train.lr, images=images, validate_every=images)
    config = RunConfig(replace(preset.model, coupling=coupling), settings)
    with tempfile.TemporaryDirectory() as folder:
        try:
            progress = train(config, Path(folder) / "run").progress
            outcome: dict[str, Any] = {"stopped": None, "skipped": progress.skipped}
        except TrainingDivergedError as error:
            outcome = {"stopped": str(error).replace(folder, ""), "skipped": None}
        model = Glow.from_pretrained(Path(folder) / "run")
        bits = likelihood(model, load("digits", preset.model.image_shape, "validation")).bits_per_dim
    return {**outcome, "validation_bits": bits}


def main() -> None:
    """Run what the output file lacks, and summarise it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rate", type=float, default=1.0, help="times the preset's learning rate")
    parser.add_argument("--seeds", type=int, default=20, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()

    wanted = [
        {"seed": seed, "coupling": coupling, "rate": options.rate, "steps": options.steps}
        for seed in range(options.first, options.first + options.seeds)
        for coupling in ("affine", "additive")
    ]
    lines = complete(options.out, run, wanted)
    for coupling in ("affine", "additive"):
        mine = [line for line in lines if line["coupling"] == coupling]
        bits = sorted(line["validation_bits"] for line in mine)
        stopped = sum(line["stopped"] is not None for line in mine)
        skipped = sum(line["skipped"] or 0 for line in mine)
        print(f"{coupling}: {len(mine)} seeds, {stopped} stopped, {skipped} steps skipped in those that did not stop; ")
        print(f"  validation bits/dim from {bits[0]:.3f} to {bits[-1]:.3f}, median {bits[len(bits) // 2]:.3f}")


if __name__ == "__main__":
    main()
