"""The original's optimiser against its equations; the averages against theirs."""

from collections.abc import Sequence
from math import comb, sqrt
from operator import mul

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from glowflow.config import TrainConfig
from glowflow.training.averaging import warmed_up
from glowflow.training.optimizer import GlowAdamax, build_optimizer, learning_rate


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


@pytest.mark.parametrize("name", ["glow-adamax", "adamax", "adam", "adamw"])
def test_every_optimiser_goes_downhill(name: str) -> None:
    parameter = nn.Parameter(torch.full((3,), 5.0))
    optimizer = build_optimizer([parameter], TrainConfig(optimizer=name, lr=0.1))  # type: ignore[arg-type]
    for _ in range(400):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()
    assert parameter.abs().max() < 1


def averages(beta: float, values: Sequence[float]) -> list[float]:
    """The average after each of these values of a weight."""
    model = nn.Linear(1, 1, bias=False)
    averaged, found = AveragedModel(model, multi_avg_fn=warmed_up(beta)), []
    for value in values:
        nn.init.constant_(model.weight, value)
        averaged.update_parameters(model)
        found.append(averaged(torch.ones(1)).item())
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
    found = [learning_rate(config, position) for position in (500, 5000, 8000, 9000, 9990)]
    assert found == pytest.approx([5e-4, 1e-3, 1e-3, 5e-4, 5e-6])
