"""When a training ends, its best model gets a reference of all validation images."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glowflow import Glow
from glowflow.config import RunConfig
from glowflow.data import load
from glowflow.errors import TrainingInterruptedError
from glowflow.execution import Execution
from glowflow.scoring.codecs import standard
from glowflow.scoring.reference import Reference
from glowflow.scoring.statistics import Statistics, statistics
from glowflow.stored import StoredModel
from glowflow.training import Options, train
from glowflow.weights import REFERENCE


@pytest.fixture(name="many")
def _many(config: RunConfig, tmp_path: Path) -> RunConfig:
    """A training with 150 validation images, of which it looks at 20."""
    slope = 100 * np.linspace(0, 1, 8)[None, :, None] * np.ones((1, 1, 8))
    images = np.random.default_rng(0).integers(40, 80, (300, 8, 8)) + slope
    np.savez(tmp_path / "many.npz", train=images[:150].astype(np.uint8), validation=images[150:].astype(np.uint8))
    return replace(config, train=replace(config.train, data=str(tmp_path / "many.npz")))


def stored_reference(run: Path) -> Reference:
    found = Reference.load(StoredModel.open(run))
    assert found is not None
    return found


def expected(run: Path, data: str) -> Reference:
    model = Glow.from_pretrained(run).freeze()
    return Reference.learned(model, load(data, (1, 8, 8), "validation"), standard())


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_the_reference_is_that_of_all_validation_images(
    many: RunConfig, tmp_path: Path, precision: torch.dtype | None
) -> None:
    """It's computed as `glowflow score` computes, whatever the training computes in."""
    settings = replace(many.train, averaging=None)
    train(replace(many, train=settings), tmp_path / "run", options=Options(Execution(precision=precision)))
    found, other = stored_reference(tmp_path / "run"), expected(tmp_path / "run", settings.data)
    assert len(found.usual["unusual"]) == 150
    for name, values in other.usual.items():
        np.testing.assert_allclose(found.usual[name], values, rtol=1e-5, err_msg=name)
    assert found.where is not None
    assert other.where is not None
    np.testing.assert_allclose(found.where.mean, other.where.mean, rtol=1e-5)


def test_a_model_in_bfloat16_has_no_reference_before_the_end(
    many: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glowflow.training.usual.learn", lambda *_: None)
    for precision in (None, torch.bfloat16):
        settings = replace(many.train, averaging=None, validation_images=150)
        out = tmp_path / str(precision)
        train(replace(many, train=settings), out, options=Options(Execution(precision=precision)))
        assert (out / "best" / REFERENCE).exists() == (precision is None)


def test_an_interruption_at_the_very_end_is_made_up_for(
    many: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[int] = []

    def interrupted(*args: Any, **options: Any) -> Statistics:  # noqa: ANN401 (passed on)
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return statistics(*args, **options)

    monkeypatch.setattr("glowflow.scoring.reference.statistics", interrupted)
    with pytest.raises(TrainingInterruptedError, match=r"The model is stored, and glowflow calibrate .*run learns"):
        train(many, tmp_path / "run")
    assert "Now glowflow learns what is usual, from 150 validation images." in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "best" / REFERENCE).exists()
    for _ in range(2):  # the second time, nothing is left to do
        train(many, tmp_path / "run")
    assert len(stored_reference(tmp_path / "run").usual["unusual"]) == 150
    assert len(calls) == 2


def test_the_training_is_done_even_if_what_is_usual_cannot_be_learned(
    many: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> Statistics:
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr("glowflow.scoring.reference.statistics", fails)
    assert train(many, tmp_path / "my run").progress.position == 320
    told = " ".join(capsys.readouterr().err.split())
    assert "What is usual couldn't be stored (out of memory). glowflow calibrate '" in told


def test_too_few_validation_images_are_reported(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(config, tmp_path / "run")
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(r"images\.npz has \d+ validation images\. At least 100 are needed to tell what is usual", told)
    assert told.index("At least 100") < told.index("320 images:")  # before the training, and not after it
    assert not (tmp_path / "run" / "best" / REFERENCE).exists()
