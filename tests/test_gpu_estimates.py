"""The estimates for graphics cards: what is counted of models with few steps gives that of deep ones."""

from collections import Counter

import pytest
import torch

from benchmarks.gpu_estimates import Operation, Work, deep
from glowflow import GlowConfig

EACH, ONCE = Operation(1, 1, 1, torch.float32), Operation(0, 0, 1, torch.float32)
COSTS = (5, 7, 11)
"""Of a step in each level."""


def counted(config: GlowConfig) -> Work:
    cost = sum(c * config.at(level).steps for level, c in enumerate(COSTS))
    return Work(Counter({EACH: 3 + cost, ONCE: 1}), 2 * cost)


@pytest.mark.parametrize("steps", [1, 32, (1, 2, 1), (8, 12, 12), (12, 8, 8), (1, 20, 30)])
def test_each_level_counts_with_its_own_steps(steps: int | tuple[int, ...]) -> None:
    config = GlowConfig((3, 32, 32), 3, steps, 8)
    assert deep(counted, config) == counted(config)
