"""Make a trained run a bundled model, small on disk and with directions of its attributes.

Kernels and directions are stored in float16, everything else in float32. `glowflow evaluate` of both shows the cost.

    python -m tools.bundle runs/portraits64 src/glowflow/models/faces
    python -m benchmarks.edit_scales src/glowflow/models/faces results/edits/edit-scales.json
"""

import argparse
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import torch

from glowflow import Glow, weights
from glowflow.data import load
from glowflow.latents import fit
from glowflow.scoring.codecs import standard
from glowflow.scoring.reference import Reference
from glowflow.stored import StoredModel
from glowflow.training.run import CONFIG, read_config


def main() -> None:
    """Write the model, find its directions, and print the sizes of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", choices=["means", "logistic"], default="means")
    options = parser.parse_args()
    stored = StoredModel.open(options.run)
    model = Glow.from_pretrained(stored)
    tensors = {name: half(tensor) for name, tensor in model.state_dict().items()}
    weights.save(options.out, tensors, asdict(model.config), stored.kind, model.class_names)
    shutil.copy(options.run / CONFIG, options.out)
    data = read_config(options.run)["train"]["data"]
    frozen = Glow.from_pretrained(options.out).freeze()
    validation = load(data, model.config.image_shape, "validation")
    reference = Reference.learned(frozen, validation, standard())
    reference.save(options.out, StoredModel.open(options.out).digest)
    found = fit(frozen, load(data, model.config.image_shape, "train"), None, options.method)
    replace(found, vectors=found.vectors.half()).save(options.out)
    for path in sorted(options.out.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path}")


def half(tensor: torch.Tensor) -> torch.Tensor:
    """Store kernels, which are nearly all of a model, in half the bytes."""
    return tensor.half() if tensor.ndim == 4 else tensor


if __name__ == "__main__":
    main()
