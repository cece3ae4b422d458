"""Sets of trainings: defined, run, interrupted, gone on with, and drawn again from what was stored."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from glowflow.bijections import ActNorm
from glowflow.cli import main
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.data import Dataset, Split
from glowflow.durable import load_lines
from glowflow.experiments import definition, emoji, judges, study, unusual
from glowflow.experiments.changes import CHANGES
from glowflow.experiments.results import bits_after, marked, quality_at
from glowflow.judging import training as classifiers
from glowflow.parts import AUGMENTATIONS
from glowflow.presets import load as load_preset
from glowflow.training import train
from glowflow.training.checkpoints import PROGRESS
from glowflow.training.run import LAST, claimed

MINIATURE = {
    "about": "A miniature.",
    "claim": "Reversal gives fewer bits/dim.",
    "source": "none",
    "presets": {"digits": 96},
    "seeds": 2,
    "validations": 2,
    "figure": "epochs",
    "shared": {
        "model": {"levels": 1, "steps": 1, "width": 4},
        "train": {"warmup_images": 16, "init_batch_size": 16, "validation_images": 16},
    },
    "variations": {"reverse": {"model": {"permutation": "reverse"}}, "1x1": {}},
    "orders": [["reverse", "1x1"]],
    "temperatures": [0.7],
}


GALLERY = "samples-digits-T1.png"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classifiers, "TRAINING_IMAGES", 64)
    monkeypatch.setattr(study, "NUM_SAMPLES", 16)


def write(name: str = "mini.yaml", **changes: object) -> str:
    Path(name).write_text(json.dumps(MINIATURE | changes))
    return name


def lines() -> list[str]:
    path = Path("results/experiments/mini/trainings.jsonl")
    return path.read_text().splitlines() if path.exists() else []


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["experiment", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("glowflow: ")
    return line


@pytest.mark.parametrize("name", definition.names())
def test_every_definition_is_valid(name: str) -> None:
    found = definition.load(name)
    trainings = found.trainings()
    assert len(trainings) == len(found.presets) * len(found.variations) * found.seeds
    assert len({training.directory for training in trainings}) == len({json.dumps(t.settings) for t in trainings})
    for training in trainings:
        overrides = found.variations[training.variation]
        assert training.run.model == replace(training.run.model, **overrides.get("model", {}))
        assert training.run.train == replace(training.run.train, **overrides.get("train", {}))
        execution = {"precision": "float32", "memory": "store"}
        for settings in (found.shared, overrides):
            execution |= settings.get("execution", {})
        assert execution == {"precision": training.precision, "memory": training.memory}


@pytest.mark.parametrize(("name", "variations"), [("baselines", 3), ("memory", 4), ("stability", 4)])
def test_definitions_in_miniature(name: str, variations: int, capsys: pytest.CaptureFixture[str]) -> None:
    content = yaml.safe_load((definition.DEFINITIONS / f"{name}.yaml").read_text())
    small = {"levels": 1, "steps": 1, "width": 4}
    smaller = {key: MINIATURE[key] for key in ("presets", "validations", "seeds")}
    shared = {"model": small, "train": MINIATURE["shared"]["train"]}  # type: ignore[index]
    Path("mini.yaml").write_text(json.dumps(content | smaller | {"shared": shared}))
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    found = [json.loads(line) for line in lines()]
    assert len(found) == 2 * variations
    assert len({tuple(line) for line in found}) == 1  # each line holds the same figures
    assert all(line["bits_per_dim"] > 0 and line["skipped"] == 0 for line in found)
    if name == "memory":
        bits = {(line["variation"], line["seed"]): line["bits_per_dim"] for line in found}
        assert bits["store", 0] == bits["checkpoint", 0] == pytest.approx(bits["reversible", 0], abs=1e-4)
        assert bits["store", 0] != bits["store bfloat16", 0]
    assert "| variation | seeds | bits/dim |" in capsys.readouterr().out


def test_experiments_share_the_trainings_that_they_have_in_common() -> None:
    ablation, lu = (definition.load(name).trainings()[0] for name in ("ablation", "lu"))
    assert ablation.variation != lu.variation
    assert ablation.directory == lu.directory


def test_settings_are_all_that_determines_a_training() -> None:
    base = RunConfig(GlowConfig((1, 4, 4)), TrainConfig())
    other = RunConfig(GlowConfig((1, 4, 4)), TrainConfig(lr=0.1))
    one, two = (definition.Training("digits", "a", 0, run, "float32") for run in (base, other))
    assert one.settings != two.settings
    assert one.settings == definition.Training("digits", "b", 0, base, "float32").settings
    assert one.settings != definition.Training("digits", "a", 0, base, "bfloat16").settings
    assert one.settings == definition.Training("digits", "a", 0, base, memory={"kind": "store"}).settings
    assert one.settings != definition.Training("digits", "a", 0, base, memory="reversible").settings


def test_an_experiment_goes_on_without_repeating_and_is_drawn_from_what_is_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    trained: list[str] = []

    def interrupted(run: RunConfig, out: Path, *rest: object) -> object:
        trained.append(out.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(run, out, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(study, "train", interrupted)
    assert main(["experiment", write()]) == 130
    assert len(lines()) == 1
    assert main(["experiment", "mini.yaml"]) == 0
    assert len(lines()) == 4
    assert trained[1] == trained[2]
    assert len(trained) == 5
    page = capsys.readouterr().out
    results = Path("results/experiments/mini")
    found = [json.loads(line) for line in lines()]
    assert all(line.keys() >= {"settings", "curve", "bits_per_dim", "quality", "seconds", "commit"} for line in found)
    assert "| reverse | 2 | " in page
    assert "reverse < 1x1" in page
    assert "| KID at T = 0.7 | precision at T = 0.7 | recall at T = 0.7 |" in page
    assert "gap, KID at T = 0.7" in page
    assert "gap, precision" not in page  # there, more is better
    older = [line | {"quality": None, "kid": {"0.7": line["quality"]["0.7"]["kid"]}} for line in found]
    kids = [[quality_at(0.7)(line) for line in each] for each in (found, older)]
    assert kids[0] == kids[1] == [line["quality"]["0.7"]["kid"] for line in found]
    assert quality_at(0.7, "recall")(older[0]) is None

    # From the stored results alone
    pictures = ["figure.png", "samples-digits-T0.7.png"]
    before = {name: np.asarray(Image.open(results / name)) for name in pictures}
    Path("runs").rename("elsewhere")
    for name in (*pictures, "summary.md"):
        (results / name).unlink()
    assert main(["experiment", "mini.yaml", "--figure-only"]) == 0
    assert capsys.readouterr().out == page == (results / "summary.md").read_text()
    for name in pictures:
        np.testing.assert_array_equal(np.asarray(Image.open(results / name)), before[name])
    assert len(trained) == 5

    # A bound is marked
    bounded = [line | {"bound": "some dequantisation"} if line["variation"] == "reverse" else line for line in found]
    (results / "trainings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bounded))
    assert main(["experiment", "mini.yaml", "--figure-only"]) == 0
    page = capsys.readouterr().out
    assert re.search(r"\| reverse \| 2 \| [\d.]+ ± [\d.]+ \(bound\) \|", page)
    assert page.count("(bound)") == 1
    assert "Some bits/dim are upper bounds (some dequantisation)" in page
    with Image.open(results / "figure.png") as figure:
        assert not np.array_equal(np.asarray(figure), before["figure.png"])  # the legend marks it, too
    assert marked("reverse", bounded) == "reverse (bound)"
    assert marked("1x1", bounded) == "1x1"


def test_slices_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    write(temperatures=[], seeds=1, presets={"digits": 64})
    clock = iter(range(10**6))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    for _ in range(20):
        before = len(lines())
        assert main(["experiment", "mini.yaml", "--no-figure", "--slice", "0.4"]) == 0  # 24 looks at the clock
        assert len(lines()) <= before + 1
        if Path("results/experiments/mini/summary.md").exists():
            break
    assert len(lines()) == 2
    sliced = [json.loads(line)["bits_per_dim"] for line in lines()]
    whole = ["--no-figure", "--out", "whole", "--runs", "whole-runs"]
    assert main(["experiment", "mini.yaml", *whole]) == 0
    assert sliced == [
        json.loads(x)["bits_per_dim"] for x in Path("whole/mini/trainings.jsonl").read_text().splitlines()
    ]


@pytest.mark.parametrize("figure", ["time", "final", "temperatures"])
def test_every_kind_of_figure(figure: str) -> None:
    """A training with two names is shown under both."""
    pytest.importorskip("matplotlib")
    same = {"model": {"permutation": "reverse"}}
    write(
        figure=figure, seeds=1, presets={"digits": 32}, temperatures=[0, 1], variations={"reverse": same, "1x1": same}
    )
    assert main(["experiment", "mini.yaml"]) == 0
    results = Path("results/experiments/mini")
    assert (results / "figure.png").exists()
    assert len(lines()) == 1
    one, both = (np.asarray(Image.open(path)) for path in (next((results / "samples").iterdir()), results / GALLERY))
    assert both.shape[1] > 2 * one.shape[1]
    assert ("time of a step" in (results / "summary.md").read_text()) == (figure == "time")


def test_unusual_images_are_told_from_usual_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unusual, "OF_A_KIND", 100)
    monkeypatch.setattr(unusual, "SMALLER", (100, 200, 500))
    monkeypatch.setattr(unusual, "DRAWS", 3)
    only = {"1x1": dict[str, object]()}
    write(against={"digits": ["digits"]}, variations=only, orders=[], seeds=1, temperatures=[], figure="auroc")
    assert main(["experiment", "mini.yaml"]) == 0
    assert Path("results/experiments/mini/figure.png").exists()
    told = capsys.readouterr()
    head = "| AUROC against | combined | bits | latents | layout | bits_per_dim | complexity_corrected | typicality |"
    assert f"{head}\n" in told.out
    assert "The reference has 500 validation images. Of 500 usual test images," in told.out
    assert "lie between 2.6% and 7.6%." in told.out
    assert re.search(r"on average: [\d.]+% with 100 images \([\d.]+% to [\d.]+%\), [\d.]+% with 200 images", told.out)
    (line,) = (json.loads(line)["told_apart"] for line in lines())
    assert (line["usual"], line["reference"]) == (500, 500)
    assert 0.01 < line["false_alarms"] < 0.12
    assert {size: len(shares) for size, shares in line["false_alarms_by_size"].items()} == {"100": 3, "200": 3}
    assert all(0 <= share < 0.2 for shares in line["false_alarms_by_size"].values() for share in shares)
    assert line["auroc"].keys() == {"digits", *CHANGES}
    assert line["auroc"]["digits"]["combined"] == pytest.approx(0.5, abs=0.07)
    assert line["auroc"]["inverted"]["combined"] > 0.9


@pytest.mark.parametrize("missing", ["emoji", "no such folder"])
def test_unusual_images_that_are_not_there_are_noticed_before_the_training(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(emoji, "FONT", Path("no-font.ttf"))
    write(against={"digits": ["digits", missing]}, variations={"1x1": {}}, orders=[], seeds=1, temperatures=[])
    said = fails(capsys, "mini.yaml", "--no-figure")
    assert ("Emoji are drawn with no-font.ttf" if missing == "emoji" else "There is no data set") in said
    assert not Path("runs").exists()


def test_usual_images_that_are_not_there_are_noticed_before_the_first_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    missing = {"1x1": {}, "reverse": {"train": {"data": "no such folder"}}}
    assert "There is no data set" in fails(capsys, write(variations=missing, orders=[], temperatures=[]), "--no-figure")
    assert not Path("runs").exists()


def test_pairs_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pair is stored as soon as it's measured, and an interruption costs one pair at most."""
    monkeypatch.setattr(unusual, "OF_A_KIND", 100)
    write(against={"digits": ["digits"]}, variations={"1x1": {}}, orders=[], seeds=1, temperatures=[])
    measured: list[str] = []
    auroc = unusual.Trial.auroc

    def interrupted(trial: unusual.Trial, dataset: Dataset) -> dict[str, float]:
        measured.append(dataset.name)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return auroc(trial, dataset)

    monkeypatch.setattr(unusual.Trial, "auroc", interrupted)
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 130
    pairs = load_lines(Path("results/experiments/mini/pairs.jsonl"))
    assert [pair["kind"] for pair in pairs] == measured[:2] == ["digits", "rotated"]
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    assert measured[2:] == ["noise", *list(CHANGES)[1:]]
    (line,) = (json.loads(line)["told_apart"] for line in lines())
    assert line["auroc"] == {
        pair["kind"]: pair["auroc"] for pair in load_lines(Path("results/experiments/mini/pairs.jsonl"))
    }


def test_background_models_are_trained_first_and_score_the_same_images(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unusual, "OF_A_KIND", 100)
    shared: Any = MINIATURE["shared"]
    train_settings = shared["train"] | {"augment": {"kind": "pixels", "share": 0.1}}
    write(
        against={"digits": ["digits"]},
        backgrounds={"digits": {"preset": "digits", "model": shared["model"], "train": train_settings}},
        published={"digits": {"digits": "0.5 (nobody)"}},
        variations={"1x1": {}},
        orders=[],
        seeds=2,
        temperatures=[],
    )
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    first, *others = (json.loads(line) for line in lines())
    assert (first["variation"], first["told_apart"]) == ("background", None)
    assert len(others) == 2
    for line in others:
        assert 0 <= line["told_apart"]["auroc"]["digits"]["background_corrected"] <= 1
    assert "| background_corrected | published |" in capsys.readouterr().out
    assert "| 0.5 (nobody) |" in Path("results/experiments/mini/summary.md").read_text()
    assert "2 of 2 trainings" in Path("results/experiments/mini/summary.md").read_text()


def test_a_background_model_that_is_not_there_is_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone has the results of trainings and not their models. Nothing is scored by a model that is half trained."""
    monkeypatch.setattr(unusual, "OF_A_KIND", 100)
    monkeypatch.setattr(unusual, "SMALLER", ())
    shared: Any = MINIATURE["shared"]
    changed = {"train": shared["train"] | {"augment": {"kind": "pixels", "share": 0.1}}}
    background = {"preset": "digits"} | shared | changed
    write(
        against={"digits": ["digits"]},
        backgrounds={"digits": background},
        variations={"1x1": {}},
        orders=[],
        seeds=1,
        temperatures=[],
    )
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    first, second = lines()
    results, runs = Path("results/experiments/mini"), Path("runs/experiments")
    (results / "trainings.jsonl").write_text(first + "\n")
    (results / "pairs.jsonl").unlink()
    whole = definition.load("mini.yaml")
    (needed,) = whole.background_trainings()
    progress = runs / needed.directory / LAST / PROGRESS
    assert [each.variation for each in study.Study(whole, results, runs).remaining()] == ["1x1"]
    progress.write_text(json.dumps(json.loads(progress.read_text()) | {"position": 48}))
    assert [each.variation for each in study.Study(whole, results, runs).remaining()] == ["background", "1x1"]
    shutil.rmtree(runs)
    trained: list[str] = []

    def noting(run: RunConfig, out: Path, *rest: object) -> object:
        trained.append(out.name)
        return train(run, out, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(study, "train", noting)
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    assert trained[0] == needed.directory
    assert len(trained) == 2
    assert lines()[0] == first
    again = json.loads(lines()[1])["told_apart"]["auroc"]
    assert again == json.loads(second)["told_apart"]["auroc"]
    assert "background_corrected" in again["digits"]


def test_a_part_of_an_experiment_with_unusual_images() -> None:
    whole = definition.load("unusual")
    part = definition.narrowed(whole, ["digits"], seeds=1)
    assert (list(part.presets), list(part.against)) == (["digits"], ["digits"])
    (background,) = part.background_trainings()
    assert background.run.train.data == "digits"


def test_background_models_have_not_seen_what_is_unusual() -> None:
    """They see the usual images alone, with random values."""
    whole = definition.load("unusual")
    for training in whole.trainings():
        background = whole.background_of(training)
        assert background is not None
        assert background.run.model == training.run.model
        assert background.run.train.data == training.run.train.data
        changes = [part for part in background.run.train.augmentations if part not in {"flip", "turn"}]
        shares = [AUGMENTATIONS.options(part).share for part in changes]
        assert shares == [0.1]
        assert background.directory != training.directory


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CHANGES)
def test_changes_keep_the_form_of_images(name: str, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 12, channels), dtype=np.uint8)
    changed = CHANGES[name](images)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert all((new != old).any() for new, old in zip(changed, images, strict=True))
    if name in {"rotated", "patches permuted"}:
        assert (np.sort(changed, axis=None) == np.sort(images, axis=None)).all()
    if name == "patches permuted":  # of 6x6
        patches = {images[0, y : y + 6, x : x + 6].tobytes() for y in (0, 6) for x in (0, 6)}
        assert {changed[0, y : y + 6, x : x + 6].tobytes() for y in (0, 6) for x in (0, 6)} == patches


@pytest.mark.skipif(not emoji.FONT.is_file(), reason="the font isn't installed")
def test_emoji_are_drawn_in_colour() -> None:
    drawn = emoji.emoji((3, 16, 16))
    assert len(drawn) > 500
    assert len({image.tobytes() for image in drawn}) > 0.9 * len(drawn)
    assert (drawn.max(3) - drawn.min(3)).max((1, 2)).mean() > 50
    assert emoji.emoji((1, 16, 16)).shape == (len(drawn), 16, 16, 1)


def test_dry_run_runs_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "train", lambda *_: pytest.fail("It trained."))
    assert main(["experiment", write(), "--dry-run"]) == 0
    assert "4 trainings to run, about " in capsys.readouterr().out
    assert [path.name for path in Path().iterdir()] == ["mini.yaml"]


def test_what_another_experiment_trained_is_not_estimated_again() -> None:
    write(temperatures=[], seeds=1, presets={"digits": 32})
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    other = definition.load(write("other.yaml", temperatures=[], seeds=1, presets={"digits": 32}))
    for runs, left in (("runs/experiments", False), ("runs/elsewhere", True)):
        minutes = study.Study(other, Path("out"), Path(runs)).minutes(other.trainings())
        assert [each > 0 for each in minutes] == [left, left]


def test_parts_of_an_experiment_add_up_and_other_lengths_are_stored_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    write(presets={"digits": 32, "digits-realnvp": 32}, temperatures=[])
    assert main(["experiment", "mini.yaml", "--presets", "digits"]) == 0
    assert main(["experiment", "mini.yaml", "--presets", "digits-realnvp", "--seeds", "1"]) == 0
    page = capsys.readouterr().out
    assert "6 of 8 trainings" in page
    assert page.count("(1 of 2 seeds)") == 1
    assert "## digits\n" in page
    assert main(["experiment", "mini.yaml", "--images", "16", "--presets", "digits", "--seeds", "1"]) == 0
    assert "16 images per training" in capsys.readouterr().out
    assert len(lines()) == 5  # this preset's permutation is reversal: one training with two names
    assert Path("results/experiments/mini-16-images/summary.md").exists()
    assert main(["experiment", "mini.yaml", "--presets", "digits", "--seeds", "3"]) == 0
    captured = capsys.readouterr()
    assert "8 of 12 trainings" in captured.out  # the third seed, which the experiment doesn't have, is shown too
    assert "results/experiments/mini/trainings.jsonl has the results of 4 of 6 trainings" in captured.err


def test_what_another_process_trains_is_left_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    write(temperatures=[], seeds=1, presets={"digits": 32})
    busy = definition.load("mini.yaml").trainings()[0]
    with claimed(Path("runs/experiments") / busy.directory, busy.run):
        assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    said = capsys.readouterr().err
    assert "Another process is running this training" in said
    assert "Trainings that remain: 1" in said
    assert [json.loads(line)["variation"] for line in lines()] == ["1x1"]
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    assert len(lines()) == 2


def test_results_of_former_settings_are_drawn_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    write(temperatures=[], seeds=1, presets={"digits": 32})
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    assert "have changed since" not in capsys.readouterr().out
    write(temperatures=[], seeds=1, presets={"digits": 32}, shared=MINIATURE["shared"] | {"train": {"lr": 1}})  # type: ignore[operator]
    assert main(["experiment", "mini.yaml", "--no-figure", "--figure-only"]) == 0
    page = capsys.readouterr().out
    assert "The settings of digits have changed since" in page
    assert "2 of 2 trainings" in page


def test_a_line_that_a_crash_cut_short_loses_no_other_line() -> None:
    write(temperatures=[], seeds=1, presets={"digits": 32})
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    path = Path("results/experiments/mini/trainings.jsonl")
    path.write_text(path.read_text()[:-40])
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    assert [line["variation"] for line in load_lines(path)] == ["reverse", "1x1"]


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in definition.names())


def test_a_training_that_diverges_is_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    variations = {"reverse": {}, "1x1": {"train": {"lr": 10**30, "warmup_images": 0}}}
    write(variations=variations, seeds=1, presets={"digits": 16 * 40}, temperatures=[])
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    assert "1, 1 diverged | - |" in capsys.readouterr().out


def test_a_training_whose_last_state_is_not_finite_is_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    variations = {"reverse": {}, "1x1": {"train": {"lr": 10**30, "warmup_images": 0}}}
    write(variations=variations, seeds=1, presets={"digits": 48}, temperatures=[])
    assert main(["experiment", "mini.yaml", "--no-figure"]) == 0
    assert "1, 1 diverged | - |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variations": {"a": {"model": {"permutatoin": "reverse"}}}}, "perhaps 'permutation' is meant"),
        ({"variations": {"a": {"model": {"permutation": "sort"}}}}, "it takes one of conv1x1"),
        ({"variations": {"a": {"execution": {"precision": "float16"}}}}, "it takes one of float32, bfloat16"),
        ({"variations": {"a": {"execution": {"memory": "stroe"}}}}, "it takes one of store, checkpoint, reversible"),
        ({"variations": {}}, "it takes a mapping with at least one name"),
        ({"variations": {2: {}}, "about": [1]}, "it takes text"),
        (
            {"variations": {"a": {"train": {"seed": 7}}}},
            "an experiment sets this for all its trainings, under 'seeds'",
        ),
        (
            {"shared": {"train": {"images": 16}}},
            "an experiment sets this for all its trainings, under 'presets'",
        ),
        ({"minutes": "long"}, "it takes a number"),
        ({"minutes": -1}, "it takes a number of at least 0"),
        ({"orders": 5}, "it takes a list of lists of names"),
        ({"alike": ["reverse", "1x1"]}, "it takes a list of lists of names"),
        ({"temperatures": 0.7}, "it takes a list of numbers"),
        ({"presets": {"digitz": 10}}, "There is no preset 'digitz'"),
        ({"presets": {"digits": "many"}}, "it takes a whole number"),
        ({"seeds": 0}, "seeds is 0"),
        ({"figure": "pie"}, "it takes one of epochs"),
        ({"orders": [["reverse", "2x2"]]}, "compares '2x2'"),
        ({"temperatures": [-1]}, "it takes a number of at least 0"),
        ({"against": {"digits": "faces"}}, "takes a list of data sets for each of its presets"),
        ({"against": {"faces32": ["digits"]}}, "takes a list of data sets for each of its presets"),
        ({"backgrounds": {"digits": {"preset": "digits"}}}, "for each preset, which 'against' has, too"),
        ({"against": {"digits": []}, "backgrounds": {"digits": {}}}, "lacks 'preset', the name of"),
        ({"against": {"digits": []}, "published": {"digits": 1}}, "for each preset, which 'against' has, too"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_mistakes_in_a_definition(changes: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in fails(capsys, write("mini.yaml", **({"orders": []} | changes)))


def test_mistakes_of_a_user(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "perhaps 'ablation' is meant" in fails(capsys, "ablatoin")
    assert "missing.yaml can't be read" in fails(capsys, "missing.yaml")
    write()
    assert "has no preset 'faces32'; it has digits" in fails(capsys, "mini.yaml", "--presets", "digits,faces32")
    assert "whole number" in fails(capsys, "mini.yaml", "--images", "0")
    assert "--slice is 0" in fails(capsys, "mini.yaml", "--slice", "0")
    assert "has no results of these trainings" in fails(capsys, "mini.yaml", "--figure-only", "--no-figure")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert "needs matplotlib" in fails(capsys, "mini.yaml")
    assert not Path("results").exists()


def test_samples_are_compared_with_validation_images() -> None:
    judge = judges.judge_for(load_preset("digits").run)
    assert (judge.about["classifies"], judge.about["reference"]) == ("labels", "validation images")
    noise = torch.randint(0, 256, judge.images.shape, dtype=torch.uint8)
    assert judge.kid(noise) > judge.kid(judge.images)


def test_samples_are_compared_with_unseen_training_images_if_validation_images_show_other_scenes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def scenes(_: RunConfig, split: Split) -> Dataset:
        images = np.random.default_rng(len(split)).integers(0, 256, (80, 8, 8, 1), dtype=np.uint8)
        return Dataset("scenes", split, images, groups=np.full(80, len(split)))

    monkeypatch.setattr(judges, "of_run", scenes)
    run = RunConfig(GlowConfig((1, 8, 8)), TrainConfig())
    judge = judges.judge_for(run)
    possible = torch.from_numpy(scenes(run, "train").images).permute(0, 3, 1, 2)
    assert len(judge.images) == 8
    assert all((image == possible).all((1, 2, 3)).any() for image in judge.images)
    assert "show other scenes" in judge.about["reference"]
    assert judge.about["classifies"] == "rotations"


def test_training_without_data_dependent_initialisation(config: RunConfig, tmp_path: Path) -> None:
    without = RunConfig(config.model, replace(config.train, init_batch_size=0, images=16, lr=0))
    state = train(without, tmp_path / "run")
    norms = [module for module in state.model.modules() if isinstance(module, ActNorm)]
    assert norms
    assert all((norm.logs == 0).all() for norm in norms)


def test_equal_time_is_read_from_the_validation_curves() -> None:
    curve = [[100, 4.0], [200, 3.0], [300, 2.5]]
    quick, slow = ({"variation": name, "diverged": None, "curve": curve} for name in ("quick", "slow"))
    after = bits_after(3.0, {"quick": 0.01, "slow": 0.02})  # 300 and 150 images
    assert after(quick) == 2.5
    assert after(slow) == 3.5
    assert after(slow | {"diverged": "at once"}) is None
    assert bits_after(1.0, {"slow": 0.02})(slow) is None  # it wasn't validated after 50 images
