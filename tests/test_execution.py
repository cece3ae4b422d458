"""Every way to run a level gives what its plain layers give, forwards and backwards."""

from typing import get_args

import pytest
import torch
from torch import Tensor

from glowflow import GlowConfig
from glowflow.bijections import Chain, Step
from glowflow.bijections.step import mixing
from glowflow.execution import Memory, forward
from glowflow.layouts import levels
from tests.helpers import randomize

CONFIGS = {
    "conv1x1": GlowConfig((3, 8, 8), 2, 3, 8),
    "conv1x1-lu": GlowConfig((3, 8, 8), 2, 3, 8, "affine-exp", "conv1x1-lu"),
    "shuffle": GlowConfig((3, 8, 8), 2, 3, 8, "additive", "shuffle"),
    "reverse": GlowConfig((3, 8, 8), 2, 3, 8, "affine-tanh", "reverse"),
    "deep": GlowConfig((1, 4, 4), 1, 19, 4),
    "realnvp": GlowConfig((3, 8, 8), 2, 2, 4, "affine-tanh", "reverse", layout="realnvp", residual_blocks=1),
}


def gradients(outputs: tuple[Tensor, Tensor], inputs: list[Tensor]) -> list[Tensor]:
    y, log_det = outputs
    weights = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)
    total = (y * weights).square().sum() + (log_det * torch.arange(1.0, len(log_det) + 1)).sum()
    return list(torch.autograd.grad(total, inputs))


@pytest.fixture(params=CONFIGS, name="level")
def _level(request: pytest.FixtureRequest) -> Chain:
    torch.manual_seed(0)
    return randomize(levels(CONFIGS[request.param])[0].double(), 0.1)


@pytest.mark.parametrize("memory", get_args(Memory))
def test_outputs_and_gradients_are_those_of_the_plain_layers(level: Chain, memory: Memory) -> None:
    channels = 1 if len(list(level)) > 15 else 3
    x = (torch.rand(2, channels, 8, 8, dtype=torch.float64) - 0.5).requires_grad_()
    inputs = [x, *level.parameters()]
    plain, found = level(x), forward(level, x, memory)
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-10)
    torch.testing.assert_close(gradients(found, inputs), gradients(plain, inputs), rtol=1e-8, atol=1e-9)


def test_a_mixing_is_the_steps_first_layers(level: Chain) -> None:
    for step in (bijection for bijection in level if isinstance(bijection, Step)):
        ((matrix, bias, log_abs_det),) = zip(*mixing([step]), strict=True)
        x = torch.randn(2, len(bias), 3, 5, dtype=torch.float64)
        y, log_det = Chain(*list(step)[:-1])(x)
        torch.testing.assert_close(torch.einsum("oi,bihw->bohw", matrix, x) + bias[:, None, None], y)
        torch.testing.assert_close((3 * 5 * log_abs_det).expand(2), log_det)
