"""The benchmark of recipes: a line is one training with known settings, and a training that was broken off is none."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import recipes
from glowflow.durable import load_lines
from glowflow.errors import TrainingInterruptedError
from glowflow.presets import load_run

TINY = {"model": {"image_shape": [1, 28, 28], "levels": 1, "steps": 1, "width": 8}, "train": {"data": "digits"}}


def tiny(path: Path, **settings: object) -> str:
    path.write_text(
        yaml.safe_dump(TINY | {"train": {"data": "digits", "batch_size": 4, "init_batch_size": 8, **settings}})
    )
    return str(path)


def interrupted(*_: object, **__: object) -> None:
    raise TrainingInterruptedError("Interrupted.", 2)


def test_a_signal_leaves_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "train", interrupted)
    run = load_run(tiny(tmp_path / "a.yaml"))
    for seconds in ({}, {"seconds": 600.0}):
        with pytest.raises(TrainingInterruptedError):
            recipes.measure(run, None, **seconds)


def test_a_training_whose_time_is_over_is_measured(tmp_path: Path) -> None:
    run = load_run(tiny(tmp_path / "a.yaml"))
    endless = replace(run, train=replace(run.train, images=recipes.ENDLESS, validate_every=recipes.ENDLESS))
    found = recipes.measure(endless, None, seconds=2.0)
    assert 0 < found["trained_images"] < recipes.ENDLESS
    assert found["bits_per_dim"] > 0


def test_after_a_change_of_the_preset_the_same_command_measures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset, out = tmp_path / "mine.yaml", tmp_path / "out.jsonl"

    def command(**settings: object) -> list[dict[str, Any]]:
        given = [str(out), tiny(preset, **settings), "--images", "8", "train.lr=0.002"]
        monkeypatch.setattr(sys, "argv", ["recipes", *given])
        recipes.main()
        return load_lines(out)

    assert len(command()) == 1
    assert len(command()) == 1
    first, second = command(warmup_images=0)
    assert first["changes"] == second["changes"] == {"train.lr": 0.002}
    assert "warmup_images" not in first["settings"]["train"]
    assert second["settings"]["train"]["warmup_images"] == 0
    older = {name: value for name, value in first.items() if name != "settings"}
    out.write_text(json.dumps(older) + "\n")
    assert len(command()) == 2  # a line that doesn't say the preset's settings may be of another preset
