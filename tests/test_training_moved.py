"""A run whose images were moved goes on with these images, and with no others."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from glowflow import GlowConfig, InputError
from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.training import train
from glowflow.training.run import read_config
from tests.helpers import assert_same


@pytest.fixture(name="run")
def _run(config: RunConfig, tmp_path: Path) -> RunConfig:
    """A training on a folder of images in two classes, numbered beyond 9."""
    rng = np.random.default_rng(0)
    for index in range(60):
        path = tmp_path / "pictures" / ("2" if index % 2 else "10") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8)).astype(np.uint8)).save(path)
    settings = replace(config.train, data=str(tmp_path / "pictures"), augment="flip")
    return RunConfig(GlowConfig((1, 8, 8), steps=2, width=8, num_classes=2), settings)


def at(run: RunConfig, data: Path, images: int = 320) -> RunConfig:
    return replace(run, train=replace(run.train, data=str(data), images=images))


def _moved(tmp_path: Path) -> Path:
    return (tmp_path / "pictures").rename(tmp_path / "elsewhere")


def _copied_with_new_times(tmp_path: Path) -> Path:
    shutil.copytree(tmp_path / "pictures", tmp_path / "copy", copy_function=shutil.copyfile)
    for path in (tmp_path / "copy").rglob("*.png"):
        os.utime(path, (1, 1))
    shutil.rmtree(tmp_path / "pictures")
    return tmp_path / "copy"


def _in_place_with_new_times(tmp_path: Path) -> Path:
    for path in (tmp_path / "pictures").rglob("*.png"):
        os.utime(path, (1, 1))
    return tmp_path / "pictures"


@pytest.mark.parametrize("change", [_moved, _copied_with_new_times, _in_place_with_new_times])
def test_a_run_whose_images_moved_ends_as_if_they_had_not(
    run: RunConfig, tmp_path: Path, change: Callable[[Path], Path]
) -> None:
    whole = train(run, tmp_path / "whole")
    train(at(run, tmp_path / "pictures", 160), tmp_path / "parts")
    place = change(tmp_path)
    assert_same(train(at(run, place), tmp_path / "parts"), whole)
    assert read_config(tmp_path / "parts")["train"]["data"] == str(place)


def test_the_runs_own_settings_go_on_at_the_new_place(run: RunConfig, tmp_path: Path) -> None:
    train(run, out := tmp_path / "run")
    place = _moved(tmp_path)
    words = ["train", str(out / "config.yaml"), "--out", str(out), "--precision", "float32"]
    assert main([*words, "--data", str(place), "--train.images", "480"]) == 0
    assert main([*words, "--train.images", "640"]) == 0  # the new place is the run's own now


def test_other_images_are_refused_and_nothing_changes(run: RunConfig, tmp_path: Path) -> None:
    train(run, out := tmp_path / "run")
    before = (out / "config.yaml").read_text()
    shutil.copytree(tmp_path / "pictures", tmp_path / "other")
    Image.new("L", (8, 8), 3).save(tmp_path / "other" / "10" / "0.png")
    with pytest.raises(InputError, match=r"images of \S+other aren't those that were in \S+pictures.*--data.*--from"):
        train(at(run, tmp_path / "other", 480), out)
    assert (out / "config.yaml").read_text() == before
    (tmp_path / "pictures" / "10" / "0.png").unlink()
    with pytest.raises(InputError, match=r"images of \S+pictures have changed \(added, removed"):
        train(at(run, tmp_path / "pictures", 480), out)


def test_images_that_are_gone_are_asked_for(run: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(run, out := tmp_path / "run")
    _moved(tmp_path)
    with pytest.raises(InputError, match=r"there is nothing at \S+pictures. Give --data with the place"):
        train(run, out)
    assert main(["evaluate", str(out)]) == 2
    assert "which is no longer there: give its new place by --data" in capsys.readouterr().err
    assert main(["evaluate", str(out), "--data", str(tmp_path / "elsewhere")]) == 0


def test_a_run_of_an_older_version_notes_its_images_where_they_are(
    run: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(run, tmp_path / "whole")
    train(at(run, tmp_path / "pictures", 160), out := tmp_path / "run")
    (out / "images.json").unlink()
    content = yaml.safe_load((out / "config.yaml").read_text())
    del content["train"]["value_range"]
    (out / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    for meta in (tmp_path / "cache").glob("*/meta.json"):
        meta.write_text("\n".join(line for line in meta.read_text().splitlines() if '"digest"' not in line))
    shutil.copytree(tmp_path / "pictures", tmp_path / "copy")
    with pytest.raises(InputError, match="too old to record which images those are"):
        train(at(run, tmp_path / "copy"), out)
    train(at(run, tmp_path / "pictures", 240), out)
    assert "didn't record its images yet" in capsys.readouterr().err
    assert_same(train(at(run, tmp_path / "copy"), out), whole)
    assert capsys.readouterr().err.count("didn't record") == 0


def test_the_model_that_a_run_began_with_may_be_gone(
    run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train(run, "first")
    tuned = replace(run, train=replace(run.train, start="first", images=32))
    train(tuned, "second")
    shutil.rmtree("first")
    train(replace(tuned, train=replace(tuned.train, images=64)), "second")
