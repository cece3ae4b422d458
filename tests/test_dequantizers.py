"""Every dequantizer keeps the contract."""

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks import gradients
from glowflow import Glow, GlowConfig
from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.dequantizers import Dequantizer, VariationalDequantizer
from glowflow.execution import Execution
from glowflow.images import quantize, to_uint8
from glowflow.parts import DEQUANTIZERS, MEMORIES
from glowflow.training import StepResult, TrainingState, train
from glowflow.training.batches import Batch
from glowflow.training.failures import find_failure
from glowflow.training.optimizer import GlowMuon
from tests.helpers import assert_same, jacobian_log_det, randomize

CONFIG = GlowConfig((1, 4, 4), num_bits=3)
LEARNED = {"kind": "variational", "steps": 2, "width": 8}
MODEL = GlowConfig((1, 8, 8), levels=1, steps=2, width=8, num_bits=5, dequantizer=LEARNED)


@pytest.fixture(params=DEQUANTIZERS.names, name="dequantizer")
def _dequantizer(request: pytest.FixtureRequest) -> Dequantizer:
    torch.manual_seed(0)
    dequantizer: Dequantizer = randomize(DEQUANTIZERS.build(request.param, CONFIG), 0.05)
    return dequantizer


def images_and_noise(num: int) -> tuple[Tensor, Tensor]:
    """Random images like `CONFIG`'s, and their noise."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (num, 1, 4, 4), dtype=torch.uint8, generator=generator)
    return images, torch.rand(images.shape, generator=generator)


def test_no_images_are_a_batch_too(dequantizer: Dequantizer) -> None:
    images, noise = images_and_noise(0)
    for each in (dequantizer, dequantizer.freeze()):
        x, log_q = each(images, noise)
        assert x.shape == noise.shape
        assert log_q.shape == (0,)


@pytest.mark.parametrize("edge", [None, 0.0, 1 - 2**-24])
@pytest.mark.parametrize("std", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("num_bits", [1, 5, 8])
@pytest.mark.parametrize("name", DEQUANTIZERS.names)
def test_every_value_stays_within_its_bin(name: str, num_bits: int, std: float, edge: float | None) -> None:
    torch.manual_seed(0)
    dequantizer = randomize(DEQUANTIZERS.build(name, replace(CONFIG, num_bits=num_bits)), std)
    images, noise = images_and_noise(500)
    x, log_q = dequantizer(images, noise if edge is None else torch.full_like(noise, edge))
    assert torch.equal(to_uint8(x, num_bits), quantize(images, num_bits))
    assert x.min() >= -0.5
    assert x.max() < 0.5
    assert log_q.shape == (500,)


def test_the_inference_form_computes_the_same(dequantizer: Dequantizer) -> None:
    images, noise = images_and_noise(3)
    torch.testing.assert_close(dequantizer.double().freeze()(images, noise), dequantizer(images, noise))
    assert not any(parameter.requires_grad for parameter in dequantizer.freeze().parameters())


def test_noise_that_float32_rounds_to_1_costs_finite_bits(dequantizer: Dequantizer) -> None:
    images, noise = images_and_noise(3)
    x, log_q = dequantizer(images, torch.full_like(noise, 1 - 2**-53, dtype=torch.float64))
    assert log_q.isfinite().all()
    assert torch.equal(to_uint8(x, CONFIG.num_bits), quantize(images, CONFIG.num_bits))


def test_the_inference_form_does_not_compute_again_what_follows_from_the_weights() -> None:
    dequantizer = randomize(DEQUANTIZERS.build("variational", CONFIG), 0.05)
    images, noise = images_and_noise(3)
    expected, frozen = dequantizer(images, noise), dequantizer.freeze()
    for step in frozen.steps:
        randomize(step.actnorm), randomize(step.permutation)
    torch.testing.assert_close(frozen(images, noise), expected)


def test_log_q_is_that_of_the_jacobian(dequantizer: Dequantizer) -> None:
    images, noise = images_and_noise(3)
    dequantizer, noise = dequantizer.double(), noise.double()
    log_det = jacobian_log_det(lambda noise: 2**CONFIG.num_bits * dequantizer(images, noise)[0], noise)
    torch.testing.assert_close(dequantizer(images, noise)[1], -log_det)


@torch.no_grad()
def test_the_density_of_the_noise_sums_to_one(dequantizer: Dequantizer) -> None:
    """The mean of 1 / q(u) over u drawn from q is the volume of the bin, 1."""
    images, noise = images_and_noise(20_000)
    _, log_q = dequantizer(images[:1].expand_as(images), noise)
    assert float((-log_q).exp().mean()) == pytest.approx(1, abs=0.05)


def test_images_do_not_influence_each_other_and_freezing_changes_nothing(dequantizer: Dequantizer) -> None:
    images, noise = images_and_noise(4)
    whole = dequantizer(images, noise)
    alone = [dequantizer(images[i : i + 1], noise[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(tuple(map(torch.cat, zip(*alone, strict=True))), whole)
    frozen = dequantizer.freeze()
    torch.testing.assert_close(frozen(images, noise), whole)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_learned_noise_is_uniform_at_first() -> None:
    torch.manual_seed(0)
    dequantizer = VariationalDequantizer(channels=1, num_bits=8)
    images, noise = images_and_noise(1000)
    x = dequantizer.initialize(images, noise)
    torch.testing.assert_close(dequantizer(images, noise)[0], x)
    u = (256 * (x + 0.5) - images).flatten().sort().values
    assert (u - torch.linspace(0, 1, len(u))).abs().max() < 0.02
    assert dequantizer(images, noise)[1].abs().max() < 0.01


def test_learned_noise_sees_the_image() -> None:
    torch.manual_seed(0)
    dequantizer = randomize(VariationalDequantizer(channels=1, num_bits=8), 0.1)
    images, noise = images_and_noise(2)
    u = [256 * (dequantizer(each, noise)[0] + 0.5) - each for each in (images, images.flip(0))]
    assert (u[0] - u[1]).abs().max() > 0.1


def gradient(model: Glow, execution: Execution) -> Tensor:
    """The gradient of the mean bits/dim of two images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8, generator=generator)
    noise = torch.rand(images.shape, dtype=torch.float64, generator=generator)
    model.execute(execution).zero_grad(set_to_none=True)
    model.bits_per_dim(images, noise.to(model.dtype)).mean().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).double()


@pytest.mark.parametrize("memory", MEMORIES.names)
def test_learned_noise_has_the_same_gradient_in_every_memory_mode_and_nearly_in_bfloat16(memory: str) -> None:
    torch.manual_seed(0)
    model = randomize(Glow(MODEL), 0.05)
    low = gradient(model, Execution(memory, torch.bfloat16))
    exact = gradient(model.double(), Execution())
    torch.testing.assert_close(gradient(model, Execution(memory)), exact, rtol=1e-8, atol=1e-9)
    assert 0 < (low - exact).norm() / exact.norm() < 0.05
    assert len(exact) == sum(parameter.numel() for parameter in model.parameters())


def test_the_benchmark_of_gradients_measures_those_of_learned_noise_too() -> None:
    torch.manual_seed(0)
    model = randomize(Glow(MODEL), 0.05)
    images = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    assert len(gradients.gradient(model, images)) == sum(parameter.numel() for parameter in model.parameters())
    errors = gradients.gradients(model, images)
    assert all(error < 1e-4 for name, error in errors.items() if name.startswith("float32"))
    assert all(0 < error < 0.05 for name, error in errors.items() if name.startswith("bfloat16"))


def test_reconstruct_and_reports_mark_the_bound(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train(RunConfig(replace(config.model, dequantizer=LEARNED), config.train), Path("run"))
    Image.new("L", (8, 8)).save("a.png")
    assert main(["reconstruct", "run", "a.png"]) == 0
    assert "bits/dim (bound), reconstructed exactly" in capsys.readouterr().out
    assert main(["report", "run"]) == 0
    page = Path("run", "report.html").read_text(encoding="utf-8")
    mark = "(bound: variational dequantisation)"
    assert f"Bits/dim {mark}" in page
    assert re.search(rf"after 320 images: [\d.]+ bits/dim {re.escape(mark)}", page)


@pytest.mark.parametrize("frozen", [False, True])
def test_encoding_is_exact_and_stands_at_the_centres_of_bins(frozen: bool) -> None:  # noqa: FBT001
    torch.manual_seed(0)
    model = randomize(Glow(MODEL), 0.05)
    images = torch.randint(256, (8, 1, 8, 8), dtype=torch.uint8)
    z = model.encode(images)
    randomize(model.dequantizer)
    model = model.freeze() if frozen else model
    torch.testing.assert_close(model.encode(images), z, rtol=0, atol=1e-9)
    assert torch.equal(model.decode(z), quantize(images, 5))


def test_encoding_with_learned_noise_also_decodes_to_the_image() -> None:
    torch.manual_seed(0)
    model = randomize(Glow(MODEL), 0.05)
    images = torch.randint(256, (8, 1, 8, 8), dtype=torch.uint8)
    z, exact = (
        each.encode(images, generator=torch.Generator().manual_seed(0)) for each in (model, deepcopy(model).double())
    )
    torch.testing.assert_close(z, exact, rtol=0, atol=1e-3)
    assert torch.equal(model.decode(exact), quantize(images, 5))


def test_a_training_learns_the_noise_and_resumes_exactly(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(config.train, optimizer="muon")
    config = RunConfig(replace(config.model, dequantizer=LEARNED), settings)
    whole = train(config, tmp_path / "whole")
    train(replace(config, train=replace(settings, images=160)), tmp_path / "parts")
    resumed = train(config, tmp_path / "parts")
    assert_same(resumed, whole)
    start, end = (dict(state.model.named_parameters()) for state in (TrainingState.new(config, "cpu"), resumed))
    assert all(not torch.equal(start[name], end[name]) for name in start if name.startswith("dequantizer"))
    assert isinstance(resumed.optimizer, GlowMuon)
    assert id(end["dequantizer.steps.0.2.conditioner.conv2.weight"]) in resumed.optimizer.matrices
    kind = "(bound: variational dequantisation, 1 importance draw)"
    assert kind in capsys.readouterr().err
    card = (tmp_path / "whole" / "best" / "README.md").read_text()
    assert card.count(f" {kind}") == 2  # for people and for the hub
    assert "Compare it only with bounds of the same kind" in card


def test_a_model_that_was_trained_with_uniform_noise_goes_on_with_learned_noise(
    config: RunConfig, tmp_path: Path
) -> None:
    train(config, tmp_path / "uniform")
    further = RunConfig(
        replace(config.model, dequantizer=LEARNED), replace(config.train, start=str(tmp_path / "uniform"))
    )
    state, before = TrainingState.new(further, "cpu"), Glow.from_pretrained(tmp_path / "uniform")
    fresh = deepcopy(state.model.dequantizer.state_dict())
    state.start_from(str(tmp_path / "uniform"))
    now = state.model.state_dict()
    assert all(torch.equal(now[name], value) for name, value in before.state_dict().items())
    assert all(torch.equal(now[f"dequantizer.{name}"], value) for name, value in fresh.items())
    trained = train(further, tmp_path / "learned").model
    assert not torch.equal(trained.dequantizer.get_parameter("steps.0.0.bias"), fresh["steps.0.0.bias"])
    back = replace(config, train=replace(config.train, start=str(tmp_path / "learned"), images=160))
    assert not list(train(back, tmp_path / "back").model.dequantizer.parameters())


def test_a_failure_in_learned_noise_is_found() -> None:
    model = Glow(MODEL)
    model.dequantizer.get_parameter("steps.0.0.logs").data.fill_(1e9)
    batch = Batch(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.rand(2, 1, 8, 8))
    assert "the output of dequantizer" in find_failure(model, batch, StepResult(torch.zeros(4), 0.0))
