"""The original's optimiser against its equations; the averages against theirs."""

from collections.abc import Sequence
from math import comb, sqrt
from operator import mul

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from glowflow import Glow, GlowConfig
from glowflow.bijections.conditioner import matrices_of
from glowflow.conditioners import EdgeConv
from glowflow.config import TrainConfig
from glowflow.errors import InputError
from glowflow.training.averaging import Average
from glowflow.training.optimizer import GlowAdamax, GlowMuon, build_optimizer, learning_rate, orthogonalized


@pytest.mark.parametrize("first_t", [1, 2])
def test_glow_adamax_follows_its_equations(first_t: int) -> None:
    rng, beta1, beta2, lr = np.random.default_rng(0), 0.9, 0.95, 1e-2
    w, m, v = rng.normal(size=5), np.zeros(5), np.zeros(5)
    parameter = nn.Parameter(torch.tensor(w))
    optimizer = GlowAdamax([parameter], lr, (beta1, beta2), first_t)
    for t in range(first_t, first_t + 20):
        g = rng.normal(size=5)
        m = beta1 * m + (1 - beta1) * g
        v = np.maximum(beta2 * v, abs(g))
        w = w - lr * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (v + 1e-8)
        parameter.grad = torch.tensor(g)
        optimizer.step()
    np.testing.assert_allclose(parameter.detach().numpy(), w, rtol=1e-12)


@pytest.mark.parametrize("name", ["glow-adamax", "muon"])
def test_a_step_that_is_not_finite_leaves_everything_as_it_is(name: str) -> None:
    torch.manual_seed(0)
    model = EdgeConv(2, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.bias = nn.Parameter(torch.ones(3))
    optimizer = build_optimizer(model, TrainConfig(optimizer=name))  # type: ignore[arg-type]

    def stepped(gradient: float, *, finite: bool) -> list[Tensor]:
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        optimizer.finite = torch.tensor(finite)  # type: ignore[attr-defined]
        optimizer.step()
        entries = [entry for _, entry in sorted(optimizer.state_dict()["state"].items())]
        return [tensor.clone() for tensor in (*model.parameters(), *(t for e in entries for t in e.values()))]

    before = stepped(1.0, finite=True)
    for gradient in (float("nan"), float("inf"), 1.0):
        assert all(map(torch.equal, stepped(gradient, finite=False), before))
    assert not all(map(torch.equal, stepped(1.0, finite=True), before))


def test_parameters_may_come_to_have_gradients_later() -> None:
    first, second = (nn.Parameter(torch.ones(2)) for _ in range(2))
    together, alone = GlowAdamax([first, second]), GlowAdamax([first_alone := nn.Parameter(torch.ones(2))])
    for step in range(6):
        first.grad = first_alone.grad = torch.full((2,), float(step))
        second.grad = torch.ones(2) if step % 3 == 1 else None
        together.step()
        alone.step()
    torch.testing.assert_close(first, first_alone)
    steps = [int(entry["step"]) for entry in together.state_dict()["state"].values()]
    assert steps == [6, 2]


def test_a_step_without_gradients_changes_nothing() -> None:
    parameter = nn.Parameter(torch.ones(2))
    GlowAdamax([parameter]).step()
    assert torch.equal(parameter, torch.ones(2))


def test_matrices_are_orthogonalized_by_a_polynomial_of_their_singular_values() -> None:
    matrices = torch.randn(3, 20, 12, dtype=torch.float64) * torch.tensor([1e-6, 1.0, 1e6])[:, None, None]
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    s = s / s.norm(dim=1, keepdim=True)
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    found = orthogonalized(matrices)
    torch.testing.assert_close(found, u * s[:, None] @ v, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(orthogonalized(matrices.mT), found.mT)
    low = orthogonalized(matrices, torch.bfloat16)
    assert low.dtype == torch.float64
    assert 0 < (low - found).norm() < 0.03 * found.norm()
    assert torch.linalg.svdvals(found)[:, :6].sub(1).abs().max() < 0.35
    assert torch.equal(orthogonalized(torch.zeros(1, 3, 3)), torch.zeros(1, 3, 3))


def test_muon_moves_kernels_by_its_equations_and_the_rest_as_glow_adamax_does() -> None:
    shapes = {
        "kernel": (6, 2, 3, 3),
        "other kernel": (6, 2, 3, 3),
        "wide": (4, 5, 1, 1),
        "matrix": (4, 4),
        "bias": (4,),
        "norms": (6, 1, 1, 1),
    }
    start = {name: torch.randn(shape) for name, shape in shapes.items()}
    mine, adamax = ({name: nn.Parameter(value.clone()) for name, value in start.items()} for _ in range(2))
    matrices = [mine[name] for name in ("kernel", "other kernel", "wide")]
    optimizer, other = GlowMuon(mine.values(), matrices, 1e-2), GlowAdamax(adamax.values(), 1e-2)
    m = {name: torch.zeros(shape) for name, shape in shapes.items()}
    for _ in range(4):
        for name, shape in shapes.items():
            mine[name].grad = adamax[name].grad = gradient = torch.randn(shape)
            if "kernel" in name or name == "wide":
                m[name] = 0.95 * m[name] + 0.05 * gradient
                matrix = (0.95 * m[name] + 0.05 * gradient).reshape(shape[0], -1)
                update = orthogonalized(matrix[None])[0].reshape(shape)
                start[name] -= 1e-2 * 0.2 * sqrt(max(matrix.shape)) * update
        optimizer.step()
        other.step()
    for name in ("kernel", "other kernel", "wide"):
        torch.testing.assert_close(mine[name].data, start[name])
    assert all(torch.equal(mine[name], adamax[name]) for name in ("matrix", "bias", "norms"))


@pytest.mark.parametrize("name", ["glow-adamax", "muon", "adamax", "adam", "adamw"])
def test_every_optimiser_goes_downhill(name: str) -> None:
    model = EdgeConv(2, 3)
    model.bias = nn.Parameter(torch.zeros(3))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 5.0)
    optimizer = build_optimizer(model, TrainConfig(optimizer=name, lr=0.1))  # type: ignore[arg-type]
    for _ in range(600):
        optimizer.zero_grad()
        torch.stack([parameter.square().sum() for parameter in model.parameters()]).sum().backward()
        optimizer.step()
    assert all(parameter.abs().max() < 1 for parameter in model.parameters())


def test_matrices_are_the_kernels_of_convolutions_and_not_their_norms() -> None:
    residual = {"kind": "residual", "blocks": 2}
    model = Glow(GlowConfig((3, 8, 8), levels=2, steps=1, width=4, conditioner=("conv", residual), num_classes=2))
    found = {id(w) for w in matrices_of(model)}
    kernels = {name for name, w in model.named_parameters() if w.ndim == 4 and w[0].numel() > 1}
    assert {name for name, w in model.named_parameters() if id(w) in found} == kernels


def averages(beta: float, values: Sequence[float]) -> list[float]:
    """The average after each of these values of a weight."""
    model = nn.Linear(1, 1, bias=False)
    average, found = Average(model, beta), []
    for value in values:
        nn.init.constant_(model.weight, value)
        average.update()
        found.append(average.module(torch.ones(1)).item())
        nn.init.constant_(model.weight, 9.0)
        average.update(torch.tensor(False))  # noqa: FBT003 (a step that wasn't finite)
    return found


def test_averages_start_as_those_of_the_last_tenth() -> None:
    values = torch.rand(30).tolist()
    weights = [comb(i + 9, 9) for i in range(30)]  # about the ninth power of i
    expected = [sum(map(mul, weights[: n + 1], values)) / sum(weights[: n + 1]) for n in range(30)]
    assert averages(0.999, values) == pytest.approx(expected, rel=1e-5)


def test_averages_become_exponential_ones() -> None:
    values = torch.rand(60).tolist()
    found = averages(0.8, values)  # from 40 updates on
    assert found[41:] == pytest.approx([0.8 * found[i - 1] + 0.2 * values[i] for i in range(41, 60)], rel=1e-5)
    assert averages(0.0, values) == pytest.approx(values)


def test_learning_rate_warms_up_in_images() -> None:
    config = TrainConfig(lr=1e-3, warmup_images=1000)
    assert [learning_rate(config, position) for position in (0, 250, 1000, 9000)] == [0, 0.00025, 1e-3, 1e-3]
    assert learning_rate(TrainConfig(lr=1e-3, warmup_images=0), 0) == 1e-3


def test_learning_rate_cools_down_at_the_end() -> None:
    config = TrainConfig(lr=1e-3, images=10_000, warmup_images=1000, cooldown_images=2000)
    found = [learning_rate(config, position) for position in (500, 5000, 8000, 9000, 9990, 10_500)]
    assert found == pytest.approx([5e-4, 1e-3, 1e-3, 5e-4, 5e-6, 0.0])


def test_learning_rate_decays_with_the_root_of_the_images() -> None:
    config = TrainConfig(lr=1e-3, images=100_000, warmup_images=1000, decay_from=10_000, cooldown_images=10_000)
    found = [learning_rate(config, position) for position in (500, 10_000, 40_000, 90_000, 95_000)]
    assert found == pytest.approx([5e-4, 1e-3, 5e-4, 1e-3 / 3, 0.5e-3 / 9.5**0.5])
    with pytest.raises(InputError, match="decay_from is 0"):
        TrainConfig(decay_from=0)
