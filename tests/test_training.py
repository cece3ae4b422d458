"""Training: it learns, resumes exactly, survives bad steps and interruptions."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from glowflow import Glow, GlowConfig, InputError
from glowflow.config import RunConfig, TrainConfig
from glowflow.data import Dataset, load
from glowflow.errors import TrainingDivergedError, TrainingInterruptedError
from glowflow.evaluate import Floats
from glowflow.execution import Execution
from glowflow.images import dequantize
from glowflow.noise import Stream
from glowflow.parts import MEMORIES
from glowflow.processes import ALONE, Processes
from glowflow.scoring.codecs import Codec
from glowflow.scoring.statistics import Statistics
from glowflow.signals import requests
from glowflow.stored import StoredModel
from glowflow.training import Options, StepResult, TrainingState, loop, train
from glowflow.training.batches import Batch, Batches
from glowflow.training.failures import MAX_SKIPPED_IN_A_ROW, find_failure
from glowflow.training.objective import Objective
from glowflow.training.optimizer import GlowMuon
from glowflow.training.run import claimed, read_config
from tests.helpers import assert_same, randomize


def records(out: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_a_run_learns_and_writes_what_it_promises(config: RunConfig, tmp_path: Path) -> None:
    train(replace(config, train=replace(config.train, images=1600)), out := tmp_path / "run")
    validations = records(out, "validation")
    assert [record["images"] for record in validations] == list(range(160, 1601, 160))
    assert validations[-1]["bits_per_dim"] < validations[0]["bits_per_dim"] - 1
    assert records(out, "train")[0].keys() >= {"bits_per_dim", "grad_norm", "lr", "images_per_second", "skipped"}
    assert len(list((out / "samples").glob("*.png"))) == 10
    best, raw = Glow.from_pretrained(out), Glow.from_pretrained(out, raw=True)
    assert json.loads((out / "best" / "config.json").read_text())["weights"] == "averaged"
    assert not torch.equal(next(best.parameters()), next(raw.parameters()))


def test_a_finished_run_is_left_as_it_is(config: RunConfig, tmp_path: Path) -> None:
    assert_same(train(config, tmp_path / "run"), train(config, tmp_path / "run"))


@pytest.mark.parametrize("optimizer", ["glow-adamax", "muon", "adam"])
@pytest.mark.parametrize("averaging", [0.9, None])
@pytest.mark.parametrize("augment", ["none", ("flip", {"kind": "pixels", "share": 0.2})])
def test_resuming_gives_the_uninterrupted_run(
    config: RunConfig, tmp_path: Path, optimizer: str, averaging: float | None, augment: object
) -> None:
    settings: dict[str, Any] = {"optimizer": optimizer, "averaging": averaging, "augment": augment}
    config = replace(config, train=replace(config.train, **settings))
    whole = train(config, tmp_path / "whole")
    train(replace(config, train=replace(config.train, images=160)), tmp_path / "parts")
    assert_same(train(config, tmp_path / "parts"), whole)
    assert records(tmp_path / "parts", "validation") == records(tmp_path / "whole", "validation")


@pytest.mark.parametrize("signum", requests())
def test_a_signal_saves_and_the_same_command_goes_on(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: int
) -> None:
    whole = train(config, tmp_path / "whole")
    steps = 0

    def interrupting(self: Objective, images: Tensor, noise: Tensor, y: Tensor | None = None) -> object:
        nonlocal steps
        steps += 1
        if steps == 5:
            os.kill(os.getpid(), signum)
        return original(self, images, noise, y)

    original = Objective.forward
    monkeypatch.setattr(Objective, "forward", interrupting)
    with pytest.raises(TrainingInterruptedError, match="up to 80 images") as error:
        train(config, tmp_path / "parts")
    assert error.value.signum == signum
    assert_same(train(config, tmp_path / "parts"), whole)


def spoil(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]) -> None:
    """Make the gradient of some steps infinite."""
    original, steps = Objective.forward, 0

    def spoiled(self: Objective, images: Tensor, noise: Tensor, y: Tensor | None = None) -> Any:  # noqa: ANN401
        nonlocal steps
        steps += 1
        loss = original(self, images, noise, y)
        return loss._replace(total=loss.total * (float("inf") if when(steps) else 1.0))

    monkeypatch.setattr(Objective, "forward", spoiled)


def test_a_step_that_is_not_finite_is_skipped_and_counted(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(monkeypatch, lambda step: step in {3, 4})
    state = train(config, tmp_path / "run")
    assert (state.progress.skipped, state.progress.updates) == (2, 18)
    assert all(parameter.isfinite().all() for parameter in state.model.parameters())
    assert "isn't finite (2 skipped so far)" in capsys.readouterr().err
    assert records(tmp_path / "run", "train")[-1]["skipped"] == 2


@pytest.mark.parametrize("lag", [0, 8])
def test_too_many_bad_steps_stop_the_run_with_a_loadable_checkpoint(
    lag: int, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good step that comes after them, and is read together with them, doesn't hide them."""
    monkeypatch.setattr("glowflow.training.state.LAGS", {"cpu": lag})
    config = replace(config, train=replace(config.train, images=10_000))
    spoil(monkeypatch, lambda step: 12 < step <= 12 + MAX_SKIPPED_IN_A_ROW)
    with pytest.raises(TrainingDivergedError, match=r"last is the last good checkpoint"):
        train(config, tmp_path / "run")
    Glow.from_pretrained(tmp_path / "run").sample(1)
    assert json.loads((tmp_path / "run" / "last" / "training.json").read_text())["updates"] == 12
    assert MAX_SKIPPED_IN_A_ROW == 25


def test_weights_gone_astray_are_not_saved(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = TrainingState.step

    def astray(self: TrainingState, batch: Batch) -> StepResult:
        result = original(self, batch)
        if self.progress.updates == 12:
            self.model.get_parameter("levels.0.1.0.logs").data.fill_(1e6)
        return result

    monkeypatch.setattr(TrainingState, "step", astray)
    with pytest.raises(TrainingDivergedError, match="the output of levels"):
        train(replace(config, train=replace(config.train, images=10_000)), tmp_path / "run")
    for name in ("last", "best"):
        model = Glow.from_pretrained(tmp_path / "run" / name, raw=True)
        assert all(parameter.abs().max() < 100 for parameter in model.parameters())
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)  # JSON has no Infinity


@pytest.mark.parametrize("lag", [0, 3])
def test_a_host_that_stays_behind_the_device_skips_counts_and_saves_the_same(
    lag: int, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A graphics card goes on while the host has yet to read what the last steps found."""
    monkeypatch.setattr("glowflow.training.state.LAGS", {"cpu": lag})
    original = TrainingState.step

    def disturbed(self: TrainingState, batch: Batch) -> StepResult:
        noise = torch.full_like(batch.noise, torch.nan) if self.progress.position in {16, 32} else batch.noise
        return original(self, batch._replace(noise=noise))

    monkeypatch.setattr(TrainingState, "step", disturbed)
    state = train(config, tmp_path / "run")
    told = capfd.readouterr().err
    assert "Step skipped at 16 images" in told
    assert "Step skipped at 32 images" in told
    assert (state.progress.skipped, state.progress.updates) == (2, 18)
    saved = Glow.from_pretrained(tmp_path / "run" / "last", raw=True).state_dict()
    assert all(values.isfinite().all() for values in saved.values())
    torch.testing.assert_close(saved, state.model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("memory", MEMORIES.names)
@pytest.mark.parametrize("precision", [None, torch.bfloat16])
@pytest.mark.parametrize(
    ("optimizer", "coupling"), [("glow-adamax", "affine"), ("muon", "affine"), ("muon", "mixture")]
)
def test_a_step_reads_no_value_on_the_way(
    memory: str, precision: torch.dtype | None, optimizer: Literal["glow-adamax", "muon"], coupling: str
) -> None:
    """The meta device has no values, so a step that reads one would fail."""
    model = GlowConfig((3, 8, 8), 2, 2, 8, coupling, num_classes=2, classifier=True)
    settings = TrainConfig(optimizer=optimizer, batch_size=2, grad_clip=1.0, weight_y=0.1)
    options = Options(execution=Execution(memory, precision))
    state = TrainingState.new(RunConfig(model, settings), "meta", ["a", "b"], options)
    state.lag = 10
    images, y = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
    for _ in range(2):
        state.step(Batch(images, torch.zeros(2, 3, 8, 8), y).to("meta"))


def test_the_failing_layer_is_named() -> None:
    torch.manual_seed(0)
    model = Glow(GlowConfig((1, 8, 8), 1, steps=3, width=8))
    batch = Batch(torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8), torch.rand(2, 1, 8, 8), None)
    result = StepResult(torch.tensor([torch.nan] * 4), lr=0.0)
    assert find_failure(model, batch, result) == "the loss"
    assert find_failure(model, batch, StepResult(torch.tensor([1.0, 1.0, 0.0, torch.nan]), lr=0.0)) == "the gradient"
    trained = [name for name, each in model.named_parameters() if each.requires_grad]
    for name in trained:
        model.get_parameter(name).grad = torch.zeros_like(model.get_parameter(name))
    norms = [torch.nan if name == "levels.0.2.1.weight" else 1.0 for name in trained]
    later = StepResult(torch.tensor([1.0, 1.0, 0.0, torch.nan, *norms]), lr=0.0)
    assert find_failure(model, batch, later) == "the gradient of levels.0.2.1.weight"
    model.get_parameter("levels.0.2.0.bias").data.fill_(float("inf"))
    assert find_failure(model, batch, result) == "the output of levels.0.2.0 (ActNorm)"


def test_clipping_bounds_the_gradient(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []

    class Recorder(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            assert closure is None
            gradients = [parameter.grad for group in self.param_groups for parameter in group["params"]]
            norms.append(float(torch.nn.utils.get_total_norm([g for g in gradients if g is not None])))

    monkeypatch.setattr(
        "glowflow.training.state.build_optimizer", lambda model, *_: Recorder(model.parameters(), lr=0.0)
    )
    train(replace(config, train=replace(config.train, grad_clip=0.25)), tmp_path / "run")
    assert max(norms) == pytest.approx(0.25, rel=1e-3)


def test_other_settings_are_refused_with_the_difference(config: RunConfig, tmp_path: Path) -> None:
    train(config, tmp_path / "run")
    with pytest.raises(InputError, match=r"train\.lr: 0\.005 there, 0\.1 now"):
        train(replace(config, train=replace(config.train, lr=0.1)), tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        train(config, tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


def test_conditional_training_learns_the_labels(config: RunConfig, tmp_path: Path) -> None:
    model = replace(config.model, num_classes=2, classifier=True)
    config = RunConfig(model, replace(config.train, weight_y=1.0, images=1600, lr=1e-2))
    state = train(config, tmp_path / "run")
    dataset = load(config.train.data, (1, 8, 8), "train")
    images, y = dataset.batch(range(len(dataset)))
    logits = state.model.classify(dequantize(images, 8))
    assert y is not None
    assert (logits.argmax(1) == y).float().mean() > 0.9


@pytest.fixture
def numbered(config: RunConfig, tmp_path: Path) -> RunConfig:
    """A class-conditional training on the folders 0 to 10."""
    for number in range(66):
        path = tmp_path / "numbers" / str(number % 11) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 3 * number).save(path)
    model = replace(config.model, num_classes=11, classifier=True)
    return RunConfig(model, replace(config.train, data=str(tmp_path / "numbers"), weight_y=1.0))


@pytest.fixture
def _ordered_as_text(numbered: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache in which these folders were put in the order 0, 1, 10, 2, ..., as they once were."""
    order = sorted(map(str, range(11)))
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "as text"))
    load(numbered.train.data, (1, 8, 8), "train")
    (directory,) = (tmp_path / "as text").glob("folder-*")
    meta = json.loads((directory / "meta.json").read_text())
    (directory / "meta.json").write_text(json.dumps(meta | {"class_names": order}))
    for path in directory.glob("*-labels.npy"):
        np.save(path, np.array([order.index(str(label)) for label in np.load(path)], np.int64))


@pytest.mark.usefixtures("_ordered_as_text")
def test_a_run_keeps_its_order_of_classes_when_its_data_are_prepared_again(
    numbered: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(numbered, tmp_path / "whole")
    train(replace(numbered, train=replace(numbered.train, images=160)), tmp_path / "parts")
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "as numbers"))
    assert_same(train(numbered, tmp_path / "parts"), whole)
    assert records(tmp_path / "parts", "validation") == records(tmp_path / "whole", "validation")
    names = Glow.from_pretrained(tmp_path / "parts").class_names
    assert names == ["0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert load(numbered.train.data, (1, 8, 8), "train").class_names == tuple(map(str, range(11)))


@pytest.mark.usefixtures("_ordered_as_text")
def test_a_model_trained_further_keeps_its_order_of_classes(
    numbered: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(numbered, tmp_path / "first")
    further = replace(numbered, train=replace(numbered.train, start=str(tmp_path / "first"), images=160))
    old = train(further, tmp_path / "old")
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "as numbers"))
    assert_same(train(further, tmp_path / "new"), old)


def test_labels_must_fit_the_model(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"The model has 5 classes .* and images\S* has 2 classes"):
        train(replace(config, model=replace(config.model, num_classes=5)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_validation_images_alone_decide(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, values = [], iter([5.0, 6.0, 3.0, 7.0, 4.0, 7.0])

    def fake(model: Glow, dataset: Dataset, processes: Processes) -> Floats:
        assert processes is ALONE
        seen.append((dataset.split, len(dataset), model))
        return np.full(200, next(values))

    def described(model: Glow, dataset: Dataset, codecs: Sequence[Codec], processes: Processes) -> Statistics:
        assert codecs
        bits, none = fake(model, dataset, processes)[:, None], np.zeros((200, 1))
        return Statistics(bits, none, none, none, none, none)

    monkeypatch.setattr(loop, "scores", fake)
    monkeypatch.setattr(loop, "statistics", described)
    saved, original = [], TrainingState.save_model

    def recording(self: TrainingState, directory: Path, *results: Any) -> None:  # noqa: ANN401 (passed on)
        saved.append(self.progress.position)
        original(self, directory, *results)

    monkeypatch.setattr(TrainingState, "save_model", recording)
    settings = replace(config.train, images=480, validation_images=7)
    state = train(replace(config, train=settings), tmp_path / "run")
    assert {(split, num) for split, num, _ in seen} == {("validation", 7)}
    assert [model is state.evaluated for _, _, model in seen] == [True, False] * 3
    assert saved == [160, 320]  # 5, then 3, then 4 bits/dim: the last is no better
    bits = {"1%": 3.0, "50%": 3.0, "99%": 3.0}
    assert StoredModel.open(tmp_path / "run").usual == {"data": "images.npz", "images": 200, "bits_per_dim": bits}
    assert state.progress.best == 3.0


def test_validation_images_are_of_every_class(config: RunConfig, tmp_path: Path) -> None:
    images = np.zeros((2000, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "many.npz", images=images, labels=np.arange(2000) % 10)
    thinned = load(tmp_path / "many.npz", (1, 8, 8), "validation").thinned(50)
    assert thinned.labels is not None
    assert (len(thinned), len(set(thinned.labels.tolist()))) == (50, 10)


def test_the_first_step_of_a_warm_up_moves_nothing(config: RunConfig, tmp_path: Path) -> None:
    config = replace(config, train=replace(config.train, images=16, warmup_images=64, averaging=0.9))
    state = train(config, tmp_path / "run")
    first = Glow.from_pretrained(tmp_path / "run", raw=True)
    initialised = TrainingState.new(config, "cpu").model
    images, noise, _ = Batches(load(config.train.data, (1, 8, 8), "train"), config, "cpu").at(0, 32, Stream(1))
    initialised.initialize(dequantize(images, 8, noise))
    torch.testing.assert_close(first.state_dict(), initialised.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(state.evaluated.state_dict(), initialised.state_dict(), rtol=0, atol=0)


def test_the_loss_is_bits_per_dim_plus_weighted_bits_of_the_label(config: RunConfig) -> None:
    torch.manual_seed(0)
    model = randomize(Glow(replace(config.model, num_classes=2, classifier=True)))
    images, noise = torch.randint(256, (4, 1, 8, 8), dtype=torch.uint8), torch.rand(4, 1, 8, 8)
    x, y = dequantize(images, 8, noise), torch.tensor([0, 1, 1, 0])
    loss = Objective(model, weight_y=0.25)(images, noise, y)
    bits = (64 * 8 * log(2) - model.log_prob(x, y)) / (64 * log(2))
    bits_y = -torch.log_softmax(model.classify(x), 1)[range(4), y] / log(2)
    torch.testing.assert_close(loss.bits_per_dim, bits.mean())
    torch.testing.assert_close(loss.bits_y, bits_y.mean())
    torch.testing.assert_close(loss.total, bits.mean() + 0.25 * bits_y.mean())


def test_one_training_at_a_time(config: RunConfig, tmp_path: Path) -> None:
    with claimed(tmp_path / "run", config), pytest.raises(InputError, match="Another process is training"):
        train(config, tmp_path / "run")


def test_a_refused_training_leaves_the_running_ones_settings(config: RunConfig, tmp_path: Path) -> None:
    other = replace(config, train=replace(config.train, lr=0.5, images=16))
    with claimed(out := tmp_path / "run", config):
        before = (out / "config.yaml").read_text()
        with pytest.raises(InputError, match="Another process is training"):
            train(other, out)
        assert (out / "config.yaml").read_text() == before


@pytest.mark.parametrize("damage", [b"\xff", b'{"images": 1e999}\n', b'{"kind": "train", "images": 16}'])
def test_a_damaged_line_of_metrics_is_dropped(config: RunConfig, tmp_path: Path, damage: bytes) -> None:
    train(config, out := tmp_path / "run")
    with (out / "metrics.jsonl").open("ab") as file:
        file.write(damage)
    longer = replace(config, train=replace(config.train, images=config.train.images + 160))
    train(longer, out)
    assert records(out, "validation")[-1]["images"] == longer.train.images


def test_a_relative_path_holds_from_anywhere(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train(replace(config, train=replace(config.train, data="images.npz")), "run")
    assert read_config(tmp_path / "run")["train"]["data"] == str(tmp_path / "images.npz")


def test_settings_newer_than_a_run_have_their_defaults_there(config: RunConfig, tmp_path: Path) -> None:
    train(config, tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("  beta1: 0.9\n", ""))
    train(config, tmp_path / "run")


@pytest.mark.parametrize(("before", "setting"), [("train:\n", "train.beta3: 0.5"), ("model:\n", "model.beta3: 0.5")])
def test_a_run_with_settings_of_a_newer_version_is_left_alone(
    config: RunConfig, tmp_path: Path, before: str, setting: str
) -> None:
    train(config, tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    newer = path.read_text().replace(before, f"{before}  beta3: 0.5\n")
    path.write_text(newer)
    with pytest.raises(InputError, match=f"{setting} there, which this version of glowflow doesn't know"):
        train(config, tmp_path / "run")
    assert path.read_text() == newer


def test_readers_change_nothing(tmp_path: Path) -> None:
    for name in ("mine", ".mine.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="No model"):
        Glow.from_pretrained(tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.old", "mine"]


def test_readers_find_the_old_model_while_a_new_one_is_put_in_place(config: RunConfig, tmp_path: Path) -> None:
    train(config, tmp_path / "run")
    (tmp_path / "run" / "best").rename(tmp_path / "run" / ".best.old")
    Glow.from_pretrained(tmp_path / "run")
    assert not (tmp_path / "run" / "best").exists()


def test_the_precision_is_for_the_networks_and_for_muon_but_not_for_what_is_evaluated(config: RunConfig) -> None:
    settings = replace(config.train, optimizer="muon", averaging=0.9)
    options = Options(Execution(precision=torch.bfloat16))
    state = TrainingState.new(replace(config, train=settings), "cpu", options=options)
    assert isinstance(state.optimizer, GlowMuon)
    assert state.optimizer.precision is state.model.execution.precision is torch.bfloat16
    assert state.evaluated.execution.precision is None
    assert all(parameter.dtype == torch.float32 for parameter in state.model.parameters())


def test_a_batch_of_another_size_than_the_settings_is_refused(config: RunConfig) -> None:
    state = TrainingState.new(config, "cpu")
    with pytest.raises(ValueError, match="The batch has 3 images; this process's share of each step is 16"):
        state.step(Batch(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.rand(3, 1, 8, 8)))


def test_fresh_weights_depend_on_the_seed_alone(config: RunConfig) -> None:
    first = TrainingState.new(config, "cpu")
    torch.randn(3)
    again = TrainingState.new(config, "cpu")
    other = TrainingState.new(replace(config, train=replace(config.train, seed=1)), "cpu")
    torch.testing.assert_close(first.model.state_dict(), again.model.state_dict(), rtol=0, atol=0)
    assert not torch.equal(
        first.model.get_parameter("levels.0.1.1.weight"), other.model.get_parameter("levels.0.1.1.weight")
    )
