"""The original's optimiser against its equations; the averages against theirs."""

from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from glowflow.config import TrainConfig
from glowflow.training.averaging import zero_debiased
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


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_averages_are_unbiased_from_the_first_step(beta: float) -> None:
    model = nn.Linear(2, 1, bias=False)
    averaged = AveragedModel(model, multi_avg_fn=zero_debiased(beta))
    history = []
    for _ in range(5):
        with torch.no_grad():
            model.weight.copy_(torch.randn(1, 2))
        history.append(model.weight.detach().clone())
        averaged.update_parameters(model)
        weights = torch.tensor([beta**age for age in reversed(range(len(history)))])
        expected = (torch.stack(history) * weights[:, None, None]).sum(0) / weights.sum()
        torch.testing.assert_close(averaged.module.weight.data, expected)


def test_learning_rate_warms_up_in_images() -> None:
    config = TrainConfig(lr=1e-3, warmup_images=1000)
    assert [learning_rate(config, position) for position in (0, 250, 1000, 9000)] == [0, 0.00025, 1e-3, 1e-3]
    assert learning_rate(TrainConfig(lr=1e-3, warmup_images=0), 0) == 1e-3


def test_learning_rate_cools_down_at_the_end() -> None:
    config = TrainConfig(lr=1e-3, images=10_000, warmup_images=1000, cooldown_images=2000)
    found = [learning_rate(config, position) for position in (500, 5000, 8000, 9000, 9990)]
    assert found == pytest.approx([5e-4, 1e-3, 1e-3, 5e-4, 5e-6])
