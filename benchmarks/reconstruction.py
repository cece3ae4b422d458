"""Is every test image reconstructed exactly, with fresh weights and with trained ones?

    python -m benchmarks.reconstruction results/exactness/reconstruction.jsonl runs/digits runs/digits-additive

Each run gives two lines: its model after data-dependent initialisation, and its trained model. The file keeps the lines
that it has.
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.data import load
from glowflow.evaluate import reconstruction_error
from glowflow.noise import Stream
from glowflow.training.batches import Batches
from glowflow.training.run import read_config

PARTS = ("layout", "coupling", "conditioner", "permutation", "dequantizer", "num_bits")
NUM_INITIAL = 64
"""Images for the data-dependent initialisation."""


def fresh(config: GlowConfig, data: str) -> Glow:
    """A model after data-dependent initialisation."""
    torch.manual_seed(0)
    model = Glow(config)
    batches = Batches(load(data, config.image_shape, "train"), RunConfig(config, TrainConfig(data=data)), "cpu")
    images, noise, _ = batches.at(0, NUM_INITIAL, Stream.INITIALIZATION)
    model.initialize(model.dequantizer.initialize(images, noise))
    return model


def measure(weights: str, run: str, folder: Path) -> Line:
    """The largest difference over the test images, in levels of the model's bits."""
    data, model = str(read_config(folder)["train"]["data"]), Glow.from_pretrained(folder)
    test = load(data, model.config.image_shape, "test")
    if weights == "fresh":
        model = fresh(model.config, data)
    return {
        "data": data,
        **{part: getattr(model.config, part) for part in PARTS},
        "num_images": len(test),
        "largest_difference_levels": reconstruction_error(model.freeze(), test),
    }


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    for folder in options.runs:
        wanted = [{"weights": weights, "run": folder.name} for weights in ("fresh", "trained")]
        for line in complete(options.out, partial(measure, folder=folder), wanted):
            print(f"{line['run']}, {line['weights']}: {line['largest_difference_levels']} levels of difference")


if __name__ == "__main__":
    main()
