"""Record what two PyTorch code bases compute with known weights, for tests/test_import_pytorch.py.

Their code runs in float64 on images with known noise, from a checkout of each:

    git clone https://github.com/rosinality/glow-pytorch ../rosinality
    git clone https://github.com/y0ast/Glow-PyTorch ../y0ast
    python -m tools.record_pytorch_glows --rosinality ../rosinality --y0ast ../y0ast

This writes tests/data/rosinality.json and tests/data/y0ast.json. A line for each model has its settings, the shapes of
its state dict, the seeds of weights and images (see tests/foreign_weights.py), and for each image its bits per
dimension and the sums of its top latent's channels.
"""

import argparse
import json
import subprocess
from collections.abc import Callable, Mapping
from math import log
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.time_to_quality.peers.base import checked_out
from tests import foreign_weights

OUT = Path(__file__).parents[1] / "tests" / "data"
NUM_IMAGES = 3
Case = dict[str, Any]

ROSINALITY: dict[str, Case] = {
    "affine, LU": {"image": (3, 8, 8), "num_bits": 8, "given": {"n_flow": 2, "n_block": 2}},
    "additive, LU, grey, 5 bits": {
        "image": (1, 8, 12),
        "num_bits": 5,
        "given": {"n_flow": 2, "n_block": 2, "affine": False},
    },
    "affine, dense and LU": {"image": (3, 8, 8), "num_bits": 8, "given": {"n_flow": 1, "n_block": 2, "conv_lu": False}},
}
Y0AST: dict[str, Case] = {
    "affine, LU": {"image": (3, 8, 8), "given": {"K": 2, "L": 2}},
    "affine, dense, fixed top": {
        "image": (3, 8, 16),
        "given": {"K": 1, "L": 3, "LU_decomposed": False, "learn_top": False},
    },
    "additive, dense, classes": {
        "image": (3, 8, 8),
        "given": {"K": 2, "L": 2, "LU_decomposed": False, "flow_coupling": "additive", "y_condition": True},
    },
    "affine, reverse": {"image": (3, 8, 8), "given": {"K": 2, "L": 2, "flow_permutation": "reverse"}},
}
Y0AST_GIVEN: Case = {
    "hidden_channels": 32,
    "actnorm_scale": 1.0,
    "flow_permutation": "invconv",
    "flow_coupling": "affine",
    "LU_decomposed": True,
    "y_classes": 5,
    "learn_top": True,
    "y_condition": False,
}


def record_rosinality(code: ModuleType, case: Case, seed: int) -> Case:
    """One model of rosinality/glow-pytorch."""
    channels = case["image"][0]
    model, shapes = filled(code.Glow(in_channel=channels, **case["given"]), seed)
    images, noise, _ = inputs(case["image"], seed)
    bits = case["num_bits"]
    levels = (images / 2 ** (8 - bits)).floor()
    log_p, log_det, latents = model(levels / 2**bits - 0.5 + noise / 2**bits)
    num_dims = images[0].numel()
    bits_per_dim = (log(2**bits) * num_dims - log_p - log_det) / (log(2) * num_dims)
    return {**case, "seed": seed, "shapes": shapes, **outputs(bits_per_dim, latents[-1])}


def record_y0ast(code: ModuleType, case: Case, seed: int) -> Case:
    """One model of y0ast/Glow-PyTorch, which adds noise and counts its bits itself."""
    channels, height, width = case["image"]
    given = {**Y0AST_GIVEN, **case["given"]}
    model, shapes = filled(code.Glow(image_shape=(height, width, channels), **given), seed)
    model.set_actnorm_init()
    num_classes = given["y_classes"] if given["y_condition"] else 0
    images, noise, labels = inputs(case["image"], seed, num_classes)
    code.uniform_binning_correction = known_noise(noise)  # type: ignore[attr-defined]
    one_hot = functional.one_hot(labels, num_classes).double() if num_classes else None
    top, bits_per_dim, logits = model(images / 256 - 0.5, one_hot)
    recorded = {**case, "num_bits": 8, "num_classes": num_classes, "seed": seed, "shapes": shapes}
    return {**recorded, **outputs(bits_per_dim, top), "logits": logits.tolist() if num_classes else None}


def filled(model: nn.Module, seed: int) -> tuple[Any, dict[str, list[int]]]:
    """The model in float64 with known float32 weights, and the shapes of its state dict."""
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    weights = foreign_weights.fill(shapes, seed)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return model.double().eval(), shapes


def inputs(image: tuple[int, int, int], seed: int, num_classes: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Images 0 to 255, noise and labels."""
    images, noise, labels = map(torch.from_numpy, foreign_weights.images((NUM_IMAGES, *image), seed, num_classes))
    return images.double(), noise, labels


def outputs(bits_per_dim: Tensor, top: Tensor) -> Case:
    """The numbers that the tests compare."""
    return {"bits_per_dim": bits_per_dim.tolist(), "top_sums": top.sum((2, 3)).tolist()}


def known_noise(noise: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A replacement for the function that adds noise: the continuous images, and -ln 256 for each dimension."""
    return lambda x: (x + noise / 256, torch.full((len(x),), -log(256) * x[0].numel(), dtype=x.dtype))


def write(file: Path, checkout: Path, record: Callable[..., Case], cases: Mapping[str, Case]) -> None:
    """The recording of a code base."""
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    code = checked_out(checkout)
    with torch.no_grad():
        recorded = {name: record(code, case, seed) for seed, (name, case) in enumerate(cases.items())}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(case)}" for name, case in recorded.items())
    file.write_text(f'{{"commit": "{commit}", "cases": {{\n{lines}\n}}}}\n')


def main() -> None:
    """Record both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rosinality", type=Path, required=True)
    parser.add_argument("--y0ast", type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    write(OUT / "rosinality.json", options.rosinality, record_rosinality, ROSINALITY)
    write(OUT / "y0ast.json", options.y0ast, record_y0ast, Y0AST)


if __name__ == "__main__":
    main()
