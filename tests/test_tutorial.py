"""The tutorial's commands, run one after the other as a reader would, on small pictures and with a small model."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowflow import weights
from glowflow.cli import main

TUTORIAL = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()
SHORTER = ["--model.steps=1", "--model.width=8", "--train.images=64", "--train.validate_every=64"]


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)
    return [line.split()[1:] for block in blocks for line in block.splitlines() if line.startswith("glowflow ")]


@pytest.fixture(autouse=True)
def _photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures, those "with" lighter than those "without"."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for label, light in (("with", 120), ("without", 20)):
        (tmp_path / "my_photos" / label).mkdir(parents=True)
        for number in range(1, 41):
            pixels = light + rng.integers(0, 100, (80, 70, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "my_photos" / label / f"{number}.png")


def test_every_command_of_the_tutorial(monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr("glowflow.demo.serving.serve", lambda *arguments: served.append(arguments))
    assert len(commands()) > 12
    for words in commands():
        assert main([*words, *(SHORTER if words[0] == "train" else [])]) == 0, words
    assert len(served) == 2
    edited, original = (
        np.asarray(Image.open("strip.png").convert("L"), dtype=float)[:, part] for part in (slice(-64, None), slice(64))
    )
    assert edited.mean() > original.mean() + 10
    assert weights.bundled() == ["faces"]
