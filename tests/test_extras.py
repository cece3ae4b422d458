"""Optional libraries are used if they are installed, and one sentence asks for them if they aren't."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from glowflow import Glow, InputError
from glowflow.training.metrics import Metrics


def test_the_record_is_cut_where_the_run_goes_on(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    for images in (100, 200, 300):
        metrics.write("train", images, {"bits_per_dim": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "ima')  # a crash in the middle of a line
    Metrics(tmp_path, 200).write("train", 250, {"bits_per_dim": 0.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [100, 200, 250]


def test_tensorboard_gets_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            assert folder == str(tmp_path / "tensorboard")
            assert purge_step == 1  # what was written beyond the start is dropped

        def add_scalar(self, tag: str, value: float, step: int) -> None:
            written.append((tag, value, step))

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    Metrics(tmp_path, 0, tensorboard=True).write("train", 100, {"bits_per_dim": 1.0, "lr": 0.1})
    assert written == [("train/bits_per_dim", 1.0, 100), ("train/lr", 0.1, 100)]


def test_tensorboard_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[tensorboard\]'"):
        Metrics(tmp_path, 0, tensorboard=True)


def test_the_hub_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[hub\]'"):
        Glow.from_pretrained("somebody/something")


def test_nothing_asks_pypi_for_glowflow() -> None:
    """glowflow isn't on PyPI yet, so every message and page installs from the clone."""
    root = Path(__file__).parents[1]
    pages = [root / "README.md", *(root / "docs").glob("*.md"), *(root / "src").rglob("*.py")]
    assert not [page for page in pages if re.search(r"install.*\bglowflow\[", page.read_text())]
