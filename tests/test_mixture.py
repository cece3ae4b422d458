"""The mixture-of-logistics coupling: its equation, its density, its inverse, and its numbers at the edges."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from glowflow import Glow, GlowConfig, InputError
from glowflow.bijections import MixtureCoupling, standard_normal_log_prob
from glowflow.bijections.mixture import MAX_LOG_SCALE, LogisticMixture
from glowflow.cli import main
from glowflow.data import load
from glowflow.evaluate import reconstruction_error
from glowflow.execution import Execution, forward
from glowflow.layouts import levels
from glowflow.parts import MEMORIES
from tests.helpers import randomize

COMPONENTS = 3
PARAMS = 2 + 3 * COMPONENTS


class Given(nn.Module):
    """A conditioner that gives the same numbers whatever it sees."""

    def __init__(self, numbers: Tensor) -> None:
        super().__init__()
        self.numbers = nn.Parameter(numbers)

    def forward(self, x: Tensor) -> Tensor:
        return self.numbers.expand(len(x), -1)


def given(numbers: Tensor) -> MixtureCoupling:
    return MixtureCoupling(Given(numbers), components=COMPONENTS)


def mixtures(num: int, narrowest: float) -> LogisticMixture:
    """Mixtures (COMPONENTS, num, 1), some of whose components are far apart; the scales are exp(narrowest) to 1."""
    logits, means, u = torch.randn(3, COMPONENTS, num, 1, dtype=torch.float64)
    return LogisticMixture((3 * logits).log_softmax(0), 3 * means, narrowest * u.sigmoid())


def bisected(mixture: LogisticMixture, logit: Tensor) -> Tensor:
    low, high = torch.full_like(logit, -1e5), torch.full_like(logit, 1e5)
    for _ in range(80):
        middle = (low + high) / 2
        below = mixture.logit(middle)[0] < logit
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return middle


def test_it_follows_its_equation() -> None:
    torch.manual_seed(0)
    h, x = torch.randn(5, 2 * PARAMS, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    y, _ = given(h[:1]).transform(x, h)
    for channel in range(2):
        a, shift, *rest = h[:, channel * PARAMS : (channel + 1) * PARAMS].unbind(1)
        logits, means, log_scales = (torch.stack(rest[i : i + COMPONENTS], 1) for i in range(0, 9, COMPONENTS))
        centers = means + torch.tensor([-1.0, 0.0, 1.0])
        f = (logits.softmax(1) * ((x[:, channel, None] - centers) / log_scales.exp()).sigmoid()).sum(1)
        torch.testing.assert_close(y[:, channel], f.logit() * a.tanh().exp() + shift)


def test_its_density_integrates_to_one() -> None:
    torch.manual_seed(0)
    x_b = torch.linspace(-300, 300, 400_001, dtype=torch.float64)
    x = torch.stack([torch.zeros_like(x_b), x_b], dim=1)
    for _ in range(5):
        y, log_det = given(torch.randn(PARAMS, dtype=torch.float64))(x)
        density = (standard_normal_log_prob([y[:, 1:]]) + log_det).exp()
        torch.testing.assert_close(torch.trapezoid(density, x_b).item(), 1.0, rtol=0, atol=1e-6)


def test_at_first_the_map_is_near_the_identity_and_its_components_differ() -> None:
    x = torch.linspace(-5, 4, 91).view(-1, 1).expand(-1, 2)
    coupling = given(torch.zeros(PARAMS))
    y, log_det = coupling(x)
    assert (y - x).abs().max() < 1
    assert log_det.abs().max() < 0.3
    (standard_normal_log_prob([y]) + log_det).sum().backward()
    grads = coupling.conditioner.get_parameter("network.numbers").grad
    assert grads is not None
    for each in grads[2:].chunk(3):
        assert len(set(each.tolist())) == COMPONENTS


def test_the_logarithm_of_the_derivative_is_autograds() -> None:
    torch.manual_seed(0)
    mixture, x = mixtures(1000, -7), 5 * torch.randn(1000, 1, dtype=torch.float64, requires_grad=True)
    logit, log_derivative = mixture.logit(x)
    (slope,) = torch.autograd.grad(logit.sum(), x)
    can_be_compared = log_derivative > -30  # autograd's sum of products is rounded
    assert can_be_compared.float().mean() > 0.7
    torch.testing.assert_close(log_derivative[can_be_compared], slope.log()[can_be_compared], rtol=0, atol=1e-3)


def test_the_gradients_of_the_map_and_of_its_derivative_are_right() -> None:
    torch.manual_seed(0)
    x, h = torch.randn(4, 2, dtype=torch.float64), torch.randn(4, 2 * PARAMS, dtype=torch.float64)
    assert torch.autograd.gradcheck(given(h[:1]).transform, (x.requires_grad_(), h.requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("log_scale", [-100.0, -MAX_LOG_SCALE, MAX_LOG_SCALE, 100.0])
def test_extreme_inputs_give_finite_numbers_and_gradients(dtype: torch.dtype, log_scale: float) -> None:
    torch.manual_seed(0)
    x = torch.linspace(-50, 50, 1001, dtype=dtype).view(-1, 1).requires_grad_()
    for weight, mean in ((0.0, 0.0), (100.0, 50.0), (-100.0, 100.0)):
        h = torch.tensor([50.0, 0.0, weight, 0.0, 0.0, mean, 0.0, 0.0, *[log_scale] * 3], dtype=dtype)
        h = h.expand(len(x), -1).clone().requires_grad_()
        coupling = given(h[:1].detach())
        y, log_derivative = coupling.transform(x, h)
        grads = torch.autograd.grad(y.sum() + log_derivative.sum(), (x, h))
        x_again = coupling.untransform(y, h)
        assert all(values.isfinite().all() for values in (y, log_derivative, x_again, *grads))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
@pytest.mark.parametrize("narrowest", [0.0, -2.0, -7.0])
def test_the_quantile_is_the_one_that_bisection_finds(dtype: torch.dtype, atol: float, narrowest: float) -> None:
    torch.manual_seed(0)
    exact, logit = mixtures(5000, narrowest), 2 * torch.randn(5000, 1, dtype=torch.float64)
    found = LogisticMixture(*(values.to(dtype) for values in exact)).quantile(logit.to(dtype))
    torch.testing.assert_close(found.double(), bisected(exact, logit), rtol=0, atol=atol)


@pytest.mark.parametrize("weight", [-4.0, -20.0])
def test_wide_components_that_are_hardly_used_do_not_spoil_the_search(weight: float) -> None:
    weights = torch.tensor([0.0, weight, weight]).log_softmax(0)
    means, log_scales = torch.tensor([0.3, 5.0, -3.0]), torch.tensor([-MAX_LOG_SCALE, MAX_LOG_SCALE, MAX_LOG_SCALE])
    mixture = LogisticMixture(*(values.view(-1, 1, 1) for values in (weights, means, log_scales)))
    logit = torch.linspace(-8, 8, 1601).view(-1, 1)
    torch.testing.assert_close(mixture.logit(mixture.quantile(logit))[0], logit, rtol=0, atol=1e-3)


def test_the_inverse_undoes_the_map() -> None:
    torch.manual_seed(0)
    coupling, x = given(torch.randn(PARAMS, dtype=torch.float64)), 5 * torch.randn(1000, 2, dtype=torch.float64)
    torch.testing.assert_close(coupling.inverse(coupling(x)[0]), x, rtol=0, atol=1e-9)


def test_undoing_steps_in_float32_does_not_spoil_the_gradients() -> None:
    """The reversible mode finds the inputs of its steps by the inverse."""
    torch.manual_seed(0)
    (level,) = levels(GlowConfig((2, 8, 8), 1, 8, 8, "mixture"))
    randomize(level, 0.1)
    x = torch.rand(4, 2, 8, 8) - 0.5

    def gradient(dtype: torch.dtype, memory: str) -> Tensor:
        level.to(dtype)
        y, log_det = forward(level, x.to(dtype), Execution(memory))
        loss = (y.square().flatten(1).sum(1) / 2 - log_det).mean()
        return torch.cat([g.flatten().double() for g in torch.autograd.grad(loss, list(level.parameters()))])

    stored, undone = gradient(torch.float32, "store"), gradient(torch.float32, "reversible")
    exact = gradient(torch.float64, "store")
    assert (stored - exact).norm() < 1e-5 * exact.norm()
    assert (undone - exact).norm() < 1e-4 * exact.norm()


@pytest.mark.parametrize("memory", MEMORIES.names)
def test_in_bfloat16_the_gradient_is_nearly_the_same(memory: str) -> None:
    """The networks compute in bfloat16, and the mixtures themselves don't."""
    torch.manual_seed(0)
    (level,) = levels(GlowConfig((2, 8, 8), 1, 4, 16, "mixture"))
    randomize(level, 0.05)
    x = torch.rand(8, 2, 8, 8) - 0.5

    def gradient(execution: Execution) -> Tensor:
        y, log_det = forward(level, x, execution)
        loss = (y.square().flatten(1).sum(1) / 2 - log_det).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(level.parameters()))])

    exact, low = gradient(Execution()), gradient(Execution(memory, torch.bfloat16))
    assert 0 < (low - exact).norm() < 0.05 * exact.norm()


@pytest.mark.filterwarnings("default")  # PyTorch warns of its own doings
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_compiled_steps_are_the_steps(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    (level,) = levels(GlowConfig((1, 4, 4), 1, 1, 4, {"kind": "mixture", "components": 2}))
    randomize(level, 0.1)
    x = torch.rand(2, 1, 4, 4) - 0.5

    def outcome(execution: Execution) -> tuple[Tensor, ...]:
        y, log_det = forward(level, x, execution)
        loss = (y.square().flatten(1).sum(1) / 2 - log_det).mean()
        return y, log_det, *torch.autograd.grad(loss, list(level.parameters()))

    before = counters["stats"]["unique_graphs"]
    torch.testing.assert_close(outcome(Execution(compiled=True)), outcome(Execution()), rtol=1e-3, atol=1e-3)
    assert counters["stats"]["unique_graphs"] > before
    assert "runs uncompiled" not in capfd.readouterr().err


def test_undoing_a_step_searches_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """With gradients each search would take one more evaluation of the map."""
    (level,) = levels(GlowConfig((2, 8, 8), 1, 2, 8, "mixture"))
    untransform, modes = MixtureCoupling.untransform, list[bool]()

    def noted(self: MixtureCoupling, y_b: Tensor, h: Tensor) -> Tensor:
        modes.append(torch.is_grad_enabled())
        return untransform(self, y_b, h)

    monkeypatch.setattr(MixtureCoupling, "untransform", noted)
    y, log_det = forward(level, torch.rand(2, 2, 8, 8), Execution("reversible"))
    (y.square().sum() - log_det.sum()).backward()
    assert modes == [False, False]


def test_fewer_than_two_components_are_refused() -> None:
    with pytest.raises(InputError, match="mixture components is 1"):
        MixtureCoupling(nn.Conv2d(2, 10, 3, padding=1), components=1)


def test_a_trained_model_decodes_exactly_and_draws(tmp_path: Path) -> None:
    run, pictures = tmp_path / "run", tmp_path / "samples.png"
    options = "--model.steps 2 --model.width 16 --train.images 1600 --train.validation-images 50 --out"
    assert main(["train", "digits", "--model.coupling", "mixture", *options.split(), str(run)]) == 0
    assert main(["sample", str(run), "--num", "4", "--out", str(pictures)]) == 0
    assert pictures.is_file()
    digits = load("digits", (1, 28, 28), "test").thinned(100)
    assert reconstruction_error(Glow.from_pretrained(run).freeze(), digits) == 0
