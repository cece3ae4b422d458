"""What several tests need."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from glowflow import Glow, GlowConfig
from glowflow.cli import main
from glowflow.data import Dataset
from glowflow.evaluate import Floats
from glowflow.latents import fit
from glowflow.model import FrozenGlow
from glowflow.scoring.gaussian import Gaussian
from glowflow.scoring.reference import Reference
from glowflow.training import TrainingState

Module = TypeVar("Module", bound=nn.Module)


@torch.no_grad()
def randomize(module: Module, std: float = 0.2) -> Module:
    """Move every parameter away from its start, where much is zero and a wrong factor would not show."""
    for parameter in module.parameters():
        parameter.add_(std * torch.randn_like(parameter))
    return module


def calm(**settings: object) -> FrozenGlow:
    """A small model whose latents are near its images, 3x16x16, so that float32 is exact."""
    torch.manual_seed(0)
    config = GlowConfig(**{"image_shape": (3, 16, 16), "steps": 2, "width": 8, "num_bits": 5, **settings})  # type: ignore[arg-type]
    model = randomize(Glow(config), 0.03)
    model.initialize(torch.rand(32, *config.image_shape) - 0.5)
    return model.eval().freeze()


def assert_needed(base: type, *methods: str) -> None:
    """A subclass that lacks one of these methods is refused when it's made, and the error names the method."""
    for missing in methods:
        own = type("Own", (base,), {name: lambda *_: None for name in methods if name != missing})
        with pytest.raises(TypeError, match=f"abstract method '?{missing}"):
            own()


def assert_same(first: TrainingState, second: TrainingState) -> None:
    """Weights, averages, optimisers and counters are equal, bit for bit."""
    torch.testing.assert_close(first.tensors(), second.tensors(), rtol=0, atol=0)
    assert first.progress == second.progress


def reference_with(bits_per_dim: Floats) -> Reference:
    """What is usual for a model, of which only the bits/dim matter."""
    plain = Gaussian(np.zeros(1), np.ones(1), np.eye(1))
    return Reference((plain,) * 3, np.zeros(3), np.ones(3), {"bits_per_dim": bits_per_dim}, (), "noise")


def jacobian_log_det(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """ln |det| of the Jacobian of each image's (flattened) output, by automatic differentiation."""

    def single(index: int) -> Callable[[Tensor], Tensor]:
        def output(image: Tensor) -> Tensor:
            batch = torch.cat([x[:index], image[None], x[index + 1 :]])
            return function(batch)[index].flatten()

        return output

    rows = [torch.autograd.functional.jacobian(single(i), x[i]).flatten(1) for i in range(len(x))]
    return torch.stack([torch.linalg.slogdet(jacobian).logabsdet for jacobian in rows])


def sentence(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line in which a command refuses what a user gave it."""
    capsys.readouterr()
    assert main(arguments) == 2
    *before, line = capsys.readouterr().err.splitlines()
    assert not any("Traceback" in each for each in before)
    return line


def lay_out(home: Path) -> None:
    """Make a folder with images in two sub-folders, a preset for them, and a run trained with it."""
    rng = np.random.default_rng(0)
    for index in range(60):
        folder = home / "pictures" / ("bright" if index % 2 else "dark")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 100, (12, 12, 3)) + (120 if index % 2 else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
    preset = {
        "model": {"image_shape": [3, 8, 8], "steps": 1, "width": 8, "num_bits": 5},
        "train": {"data": str(home / "pictures"), "images": 128, "batch_size": 16, "validate_every": 64},
    }
    (home / "tiny.yaml").write_text(json.dumps(preset))
    assert main(["train", str(home / "tiny.yaml"), "--out", str(home / "run")]) == 0


def lay_out_faces(folder: Path, attributes: tuple[str, ...]) -> None:
    """Store a small model, 3x16x16, with directions of attributes, in the place of the one that comes with glowflow."""
    rng = np.random.default_rng(0)
    model = Glow(GlowConfig((3, 16, 16), levels=2, steps=1, width=8, num_bits=5))
    model.save_pretrained(folder)
    images, truths = rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8), rng.random((20, len(attributes))) < 0.5
    fit(model, Dataset("made", "train", images, attributes=truths, attribute_names=attributes)).save(folder)


def frozen(**settings: Any) -> FrozenGlow:  # noqa: ANN401
    """A small model whose parameters have all moved."""
    torch.manual_seed(0)
    shape = (3, 16, 8)
    config = GlowConfig(**{"image_shape": shape, "levels": 2, "steps": 2, "width": 8, "num_bits": 5, **settings})
    model = randomize(Glow(config), 0.02)
    model.initialize(torch.rand(16, *config.image_shape) - 0.5)
    return model.eval().freeze()
