"""The comparison with other code bases: its clock and evaluator, and that glowflow trains there as elsewhere."""

import runpy
import sys
from dataclasses import asdict, replace
from itertools import count
from math import log, nan, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.time_to_quality.contender import SIZES, Small, Task
from benchmarks.time_to_quality.density import check, shrunk
from benchmarks.time_to_quality.figure import curves, draw, label, passing, summary
from benchmarks.time_to_quality.judge import judge
from benchmarks.time_to_quality.ours import Glowflow
from benchmarks.time_to_quality.peers import PACKAGES, peer
from benchmarks.time_to_quality.race import Lane, race
from glowflow import GlowConfig, InputError
from glowflow.config import RunConfig, TrainConfig
from glowflow.data import Dataset, prepare
from glowflow.dequantizers import UniformDequantizer
from glowflow.durable import load_lines
from glowflow.evaluate import likelihood
from glowflow.presets import load
from glowflow.training import train

IMAGES = Dataset("noise", "train", np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8))
TASK = Task(load("faces32").run, num_train=1000, small=Small(8, 128, 16), mirrored=True)


class Clock:
    """A clock that moves when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Fake:
    """A contender whose steps take a known time, and whose density is uniform."""

    init_size = 3
    bound = ""

    def __init__(self, clock: Clock, seconds: float, batch_size: int = 2) -> None:
        self.clock, self.seconds, self.batch_size = clock, seconds, batch_size
        self.recipe: dict[str, Any] = {"seconds": seconds, "shape": (3, 4, 4)}
        self.network: nn.Module = nn.Linear(1, 1)
        self.dequantizer = UniformDequantizer(8)
        self.seen: list[int] = []
        self.initializations = 0

    def initialize(self, images: Tensor) -> None:
        assert len(images) == self.init_size
        self.initializations += 1
        self.clock.now += 1.0

    def train_step(self, images: Tensor) -> None:
        self.seen += [int(image.long().sum()) for image in images]
        self.clock.now += self.seconds

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x))

    def latents(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def sample(self, num: int, temperature: float) -> Tensor:
        del temperature
        return torch.zeros(num, 3, 4, 4, dtype=torch.uint8)

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


class Reports:
    """The reports, with the time of each by the machine's clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.made = clock, list[tuple[str, float, float, str]]()

    def __call__(self, lane: Lane) -> None:
        self.made.append((lane.name, lane.progress.reported, lane.progress.seconds, lane.progress.status))
        self.clock.now += 1000  # evaluations aren't counted


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


def test_all_train_in_turn_for_equally_long(clock: Clock, tmp_path: Path) -> None:
    fast = Lane("fast", Fake(clock, 2.0), IMAGES, tmp_path / "fast", clock=clock)
    slow = Lane("slow", Fake(clock, 50.0), IMAGES, tmp_path / "slow", clock=clock)
    reports = Reports(clock)
    race([fast, slow], [0.5, 1.0, 2.0], 10.0, reports)
    assert reports.made == [
        ("slow", 0.5, 51.0, "running"),
        ("slow", 1.0, 101.0, "running"),
        ("fast", 0.5, 31.0, "running"),
        ("slow", 2.0, 151.0, "finished"),
        ("fast", 1.0, 61.0, "running"),
        ("fast", 2.0, 121.0, "finished"),
    ]
    assert (fast.progress.position, fast.progress.steps) == (120, 60)


def test_what_was_stopped_goes_on_as_if_it_had_not_been(clock: Clock, tmp_path: Path) -> None:
    whole = Fake(clock, 2.0)
    race([Lane("whole", whole, IMAGES, tmp_path / "whole", clock=clock)], [1.0, 2.0], 10.0, Reports(clock))
    stopped = Lane("parts", Fake(clock, 2.0), IMAGES, tmp_path / "parts", clock=clock)
    race([stopped], [1.0], 10.0, Reports(clock))
    rest, reports = Fake(clock, 2.0), Reports(clock)
    resumed = Lane("parts", rest, IMAGES, tmp_path / "parts", clock=clock)
    race([resumed], [1.0, 2.0], 10.0, reports)
    assert rest.seen == whole.seen
    assert rest.initializations == 0
    assert resumed.progress.run == stopped.progress.run
    assert [made[1:] for made in reports.made] == [(2.0, 121.0, "finished")]


def test_another_recipe_does_not_go_on_with_a_checkpoint(clock: Clock, tmp_path: Path) -> None:
    Lane("a", Fake(clock, 2.0), IMAGES, tmp_path / "a", clock=clock).save()
    Lane("a", Fake(clock, 2.0), IMAGES, tmp_path / "a", clock=clock)
    with pytest.raises(InputError, match="another recipe"):
        Lane("a", Fake(clock, 3.0), IMAGES, tmp_path / "a", clock=clock)


def test_what_diverges_or_fails_is_reported_and_the_others_go_on(clock: Clock, tmp_path: Path) -> None:
    class Diverging(Fake):
        def train_step(self, images: Tensor) -> None:
            super().train_step(images)
            with torch.no_grad():
                next(self.network.parameters()).fill_(nan)

    class Failing(Fake):
        def train_step(self, images: Tensor) -> None:
            raise RuntimeError(f"no {len(images)} images")

    lanes = [
        Lane(kind.__name__, kind(clock, 2.0), IMAGES, tmp_path / kind.__name__, clock=clock)
        for kind in (Diverging, Failing, Fake)
    ]
    reports = Reports(clock)
    race(lanes, [1.0], 10.0, reports)
    assert [(made[0], made[3]) for made in reports.made] == [
        ("Diverging", "diverged"),
        ("Failing", "failed: RuntimeError: no 2 images"),
        ("Fake", "finished"),
    ]


def test_a_uniform_density_scores_its_bits(clock: Clock) -> None:
    for num_bits in (5, 8):
        verdict = judge(Fake(clock, 1.0), IMAGES, num_bits)
        assert (verdict.bits_per_dim, verdict.standard_error, verdict.not_finite) == (num_bits, 0.0, 0)


def test_nats_are_counted_per_dimension_and_infinite_ones_reported(clock: Clock) -> None:
    class Twice(Fake):
        def log_prob(self, x: Tensor) -> Tensor:
            return torch.full((len(x),), 48 * log(2))

    class Infinite(Fake):
        def log_prob(self, x: Tensor) -> Tensor:
            return torch.where(torch.arange(len(x)) < 2, -torch.inf, 0.0)

    assert judge(Twice(clock, 1.0), IMAGES, 8).bits_per_dim == pytest.approx(7.0)
    verdict = judge(Infinite(clock, 1.0), IMAGES, 8)
    assert (verdict.bits_per_dim, verdict.not_finite) == (None, 2)


def test_learned_dequantisation_is_judged_by_its_bound_which_is_marked() -> None:
    model = GlowConfig((3, 4, 4), levels=1, steps=1, width=8, dequantizer="variational")
    contender = Glowflow(RunConfig(model, TrainConfig(batch_size=8, warmup_images=0)))
    images = IMAGES.batch(range(8))[0]
    contender.initialize(images)
    for _ in range(20):  # so that log q isn't 0
        contender.train_step(images)
    verdict = judge(contender, IMAGES, 8)
    evaluated = likelihood(contender.training.evaluated, IMAGES)
    assert verdict.bits_per_dim == pytest.approx(evaluated.bits_per_dim, abs=1e-6)
    assert verdict.bound == evaluated.bound == "variational dequantisation, 1 importance draw"
    line = {"contender": "glowflow", "run": "x", "ours": True, "at": 1.0, "minutes": 1.0, "images": 1}
    found = line | {"status": "running"} | asdict(verdict)
    assert f"{verdict.bits_per_dim:.3f} bits/dim +- {verdict.standard_error:.3f} (bound) after" in summary([found])[0]
    with_another = summary([found, found | {"contender": "nflows", "run": "y", "ours": False, "bound": ""}])
    assert "(bound)" not in with_another[1]
    assert with_another[2].startswith("glowflow (bound) had passed")


@pytest.mark.parametrize("off", [0.0, 0.5])
def test_a_density_that_is_wrong_by_a_constant_is_found(clock: Clock, off: float) -> None:
    class Stretched(Fake):
        def latents(self, x: Tensor) -> Tensor:
            return 2 * x.flatten(1)

        def log_prob(self, x: Tensor) -> Tensor:
            normal = -0.5 * (self.latents(x).square() + log(2 * pi))
            return (normal + log(2)).sum(1) + off

    assert check(lambda _: Stretched(clock, 1.0), TASK).largest_error == pytest.approx(off, abs=1e-9)


def test_what_glowflow_calls_a_density_is_one() -> None:
    def build(given: Task) -> Glowflow:
        return Glowflow(given.run)

    found = check(build, TASK)
    assert found.largest_error < 1e-9
    assert (found.dims, found.constant) == (48, 0.0)


def test_a_preset_with_a_conditioner_for_each_level_gives_a_density() -> None:
    conditioner = ("conv", "conv", {"kind": "attention", "blocks": 1})
    run = replace(TASK.run, model=replace(TASK.run.model, conditioner=conditioner))
    assert shrunk(run).model.conditioner == ("conv", {"kind": "attention", "blocks": 1})
    assert check(lambda given: Glowflow(given.run), replace(TASK, run=run)).largest_error < 1e-9


def test_the_others_have_the_size_of_the_stored_results() -> None:
    lines = load_lines(Path(__file__).parents[1] / "results/time-to-quality/reports.jsonl")
    stored = {
        (x["task"], *(x["recipe"][name] for name in ("steps", "width", "batch_size"))) for x in lines if not x["ours"]
    }
    assert stored == {(task, *size) for task, size in SIZES.items()}


@pytest.mark.parametrize("name", PACKAGES)
def test_other_packages_give_densities(name: str) -> None:
    pytest.importorskip(name)
    assert check(lambda given: peer(name, given, {}), TASK).largest_error < 1e-6
    assert peer(f"{name}-small", TASK, {}).recipe["batch_size"] == 16


def test_a_checkout_that_is_not_given_is_asked_for() -> None:
    with pytest.raises(InputError, match="needs a checkout of its code: give --y0ast PATH"):
        peer("y0ast-small", TASK, {})


def test_a_subset_is_always_the_same() -> None:
    assert np.array_equal(IMAGES.thinned(5).images, IMAGES.thinned(5).images)
    assert len(IMAGES.thinned(100)) == 20


def test_glowflow_trains_as_it_does_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "images.npy"
    np.save(folder, np.random.default_rng(1).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8))
    settings = TrainConfig(
        data=str(folder),
        images=32,
        batch_size=8,
        init_batch_size=16,
        augment="flip",
        warmup_images=16,
        grad_clip=0.5,
        averaging=0.9,
        validate_every=1000,
    )
    config = RunConfig(GlowConfig((3, 8, 8), steps=2, width=8), settings)
    elsewhere = train(config, tmp_path / "run")
    contender = Glowflow(config)
    images = prepare(settings.data, config.model.image_shape)["train"]
    lane = Lane("ours", contender, images, tmp_path / "lane", clock=iter(range(1000)).__next__)
    lane.turn(until=5.0)  # each work takes a second of this clock: initialisation and four steps
    assert contender.training.progress.position == 32
    for name, tensor in elsewhere.tensors().items():
        assert torch.equal(contender.training.tensors()[name], tensor), name
    lane.save()
    again = Glowflow(config)
    Lane("ours", again, images, tmp_path / "lane")
    assert all(torch.equal(again.training.tensors()[k], v) for k, v in contender.training.tensors().items())
    with pytest.raises(InputError, match="unconditional"):
        Glowflow(replace(config, model=replace(config.model, num_classes=2)))


def test_the_command_goes_on_and_draws_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.perf_counter", count(0, 0.25).__next__)  # each step takes a quarter of a second or more

    def command(*options: str) -> str:
        given = ["digits", "out.jsonl", "--contenders", "glowflow", "--images", "4", "--at", "0.01", *options]
        monkeypatch.setattr(sys, "argv", ["time_to_quality", *given])
        runpy.run_module("benchmarks.time_to_quality", run_name="__main__")
        return capsys.readouterr().out

    assert "after 0.0 minutes" in command("--minutes", "0.02")
    first = load_lines(Path("out.jsonl"))
    assert [line["kind"] for line in first] == ["density", "evaluation", "evaluation"]
    assert "glowflow: done already." in command("--minutes", "0.02")
    assert load_lines(Path("out.jsonl")) == first
    command("--minutes", "0.08")
    *before, last = load_lines(Path("out.jsonl"))
    assert before == first
    assert last["run"] == first[-1]["run"]
    assert last["images"] > first[-1]["images"]
    command("--minutes", "0.08", "--draw-only", "--samples", "samples.png")
    with Image.open("samples.png") as samples, Image.open("out/digits-validation-0/glowflow.png") as row:
        assert samples.width == row.width
        assert samples.height > row.height  # with the name above


def test_the_figure_shows_every_contender(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    common = {"run": "x", "bits_per_dim": 2.0, "standard_error": 0.1, "images": 1, "status": "running"}
    names = {"glowflow": True, "glowflow-wide": True, "nflows-small": False, "nflows": False}
    lines = [
        common | {"contender": name, "run": name, "ours": ours, "at": at, "minutes": at}
        for name, ours in names.items()
        for at in (1.0, 2.0)
    ]
    draw([*lines, lines[-1] | {"bits_per_dim": None, "at": 4.0, "status": "diverged"}], tmp_path / "f.png", "f", 5)
    with Image.open(tmp_path / "f.png") as figure:
        assert figure.size == (1050, 675)
    assert [label(name) for name in names] == ["glowflow", "glowflow-wide", "nflows", "nflows, documented size"]


def test_of_a_training_that_was_begun_anew_the_last_counts() -> None:
    lines = [
        {"contender": "a", "run": run, "at": at, "minutes": at, "bits_per_dim": bits}
        for run, at, bits in [("x", 1, 5.0), ("y", 2, 3.0), ("y", 1, 4.0), ("y", 2, 2.0)]
    ]
    assert [line["bits_per_dim"] for line in curves(lines)["a"]] == [4.0, 2.0]
    best = {"contender": "b", "bits_per_dim": 3.5}
    assert passing("a", curves(lines)["a"], best) == "a had passed b's 3.500 after 2.0 minutes."
    assert passing("a", curves(lines)["a"], best | {"bits_per_dim": 1.0}) == "a didn't pass b's 1.000."


def test_what_has_to_be_passed_is_the_best_that_another_had_at_any_time() -> None:
    reports: dict[str, list[float | None]] = {
        "glow": [3.0, 2.0],
        "glow-wide": [1.0, 1.0],
        "a": [2.5, None],
        "b": [2.8, 2.7],
    }
    lines = [
        {"contender": name, "ours": name.startswith("glow"), "run": name, "at": at, "minutes": at, "images": 1}
        | {"bits_per_dim": bits, "standard_error": None, "status": "diverged" if bits is None else "running"}
        for name, values in reports.items()
        for at, bits in enumerate(values, start=1)
    ]
    assert summary(lines)[-2:] == [
        "glow had passed a's 2.500 after 2.0 minutes.",
        "glow-wide had passed a's 2.500 after 1.0 minutes.",
    ]
