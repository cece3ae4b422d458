"""The tutorial's commands, run one after the other as a reader would, on small pictures and with a small model."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowflow.cli import main
from tests.helpers import lay_out_faces

TUTORIAL = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()
SHORTER = [
    "--model.steps=1",
    "--model.width=8",
    "--train.images=64",
    "--train.cooldown_images=0",
    "--train.validate_every=64",
]


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines() if line.startswith("glowflow ")]


@pytest.fixture(autouse=True)
def _photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures, those "with" lighter than those "without"; and a small model in the place of the one of faces."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for label, light in (("with", 120), ("without", 20)):
        (tmp_path / "my_photos" / label).mkdir(parents=True)
        for number in range(1, 41):
            pixels = light + rng.integers(0, 100, (80, 70, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "my_photos" / label / f"{number}.png")
    monkeypatch.setattr("glowflow.weights.BUNDLED", tmp_path / "models")
    lay_out_faces(tmp_path / "models" / "faces", ("Smiling",))


def test_every_command_of_the_tutorial(monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr(import_module("glowflow.demo.serving"), "serve", lambda *arguments: served.append(arguments))
    assert len(commands()) > 12
    for words in commands():
        assert main([*words, *(SHORTER if words[0] == "train" else [])]) == 0, words
    assert len(served) == 2
    with Image.open("strip.png") as picture:
        light = np.asarray(picture.convert("L"), dtype=float)
    rows = light[-(2 * 258 + 6) : -8, -(5 * 258 + 6) : -8]  # two images in five steps, below and beside captions
    assert rows[:, -256:].mean() > rows[:, :256].mean() + 10
