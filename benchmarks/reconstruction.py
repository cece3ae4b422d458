"""Is every test image reconstructed exactly, with fresh weights and with trained ones?

Models of `digits` and `faces32`, additive and affine, are measured after data-dependent initialisation, and so are the
given runs. Each is a line of the output file.

    python -m benchmarks.reconstruction results/exactness/reconstruction.jsonl runs/digits runs/digits-additive
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from glowflow import Glow
from glowflow.config import GlowConfig
from glowflow.data import load
from glowflow.durable import load_lines
from glowflow.evaluate import reconstruction_error
from glowflow.noise import Stream
from glowflow.presets import load as load_preset
from glowflow.provenance import provenance
from glowflow.training.batches import Batches
from glowflow.training.run import read_config


def fresh(preset: str, coupling: str) -> tuple[Glow, str]:
    """A preset's model after data-dependent initialisation, and its data."""
    run = load_preset(preset).run
    torch.manual_seed(0)
    model = Glow(replace(run.model, coupling=coupling))
    training = load(run.train.data, run.model.image_shape, "train")
    images, noise, _ = Batches(training, run, "cpu").at(0, run.train.init_batch_size, Stream.INITIALIZATION)
    model.initialize(model.dequantizer(images, noise)[0])
    return model, run.train.data


def measure(model: Glow, data: str) -> dict[str, Any]:
    """The largest difference over the test images."""
    config: GlowConfig = model.config
    test = load(data, config.image_shape, "test")
    worst = reconstruction_error(model, test)
    return {
        "data": data,
        "coupling": config.coupling,
        "num_bits": config.num_bits,
        "num_images": len(test),
        "largest_difference_levels": worst,
        **provenance(),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="*")
    options = parser.parse_args()
    with options.out.open("w") as file:
        for preset in ("digits", "faces32"):
            for coupling in ("affine", "additive"):
                file.write(json.dumps({"weights": "fresh", **measure(*fresh(preset, coupling))}) + "\n")
                file.flush()
        for run in options.runs:
            model = Glow.from_pretrained(run).freeze()
            file.write(json.dumps({"weights": run.name, **measure(model, read_config(run)["train"]["data"])}) + "\n")
            file.flush()
    for line in load_lines(options.out):
        print(f"{line['data']}, {line['coupling']}, {line['weights']}: {line['largest_difference_levels']} levels")


if __name__ == "__main__":
    main()
