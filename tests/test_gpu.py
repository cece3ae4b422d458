"""The script for a graphics card goes through all of its questions on a CPU."""

import json
import runpy
import sys
from pathlib import Path

import pytest


@pytest.mark.filterwarnings("ignore:Please use the new API settings to control TF32:UserWarning")  # torch 2.9's own
def test_a_dry_run_answers_every_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--dry-run", str(tmp_path / "gpu.json")])
    runpy.run_module("benchmarks.gpu", run_name="__main__")
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert {row["question"] for row in rows} >= {
        "conformance",
        "gradients",
        "reconstruction",
        "archive",
        "training",
        "sampling",
        "capture",
        "launches",
    }
    assert not [row for row in rows if "failed" in row]
    assert all(row["is_right"] for row in rows if "is_right" in row)
