"""Order and noise are functions of (seed, position)."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glowflow.noise import Stream, normal, uniform, uniform_noise
from glowflow.order import shuffled


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(1, 40), st.integers(0, 200), st.integers(1, 90), st.integers(0, 3))
def test_a_batch_is_a_slice_of_one_endless_order(size: int, start: int, count: int, seed: int) -> None:
    whole = shuffled(seed, 0, start + count, size)
    assert np.array_equal(shuffled(seed, start, count, size), whole[start:])
    for epoch in range(len(whole) // size):
        assert sorted(whole[epoch * size : (epoch + 1) * size]) == list(range(size))


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(shuffled(seed, epoch * 50, 50, 50)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([(1,), (3, 5), (1, 28, 28), (3, 8, 8)]))
def test_noise_belongs_to_its_position(start: int, count: int, shape: tuple[int, ...]) -> None:
    together = uniform_noise(7, Stream.TRAINING, start, count, shape)
    alone = [uniform_noise(7, Stream.TRAINING, start + i, 1, shape) for i in range(count)]
    assert torch.equal(together, torch.cat(alone))


def test_noise_is_uniform_and_independent() -> None:
    noise = uniform_noise(0, Stream.TRAINING, 0, 1000, (1, 10, 10))
    assert noise.min() >= 0
    assert noise.max() < 1
    counts = torch.histc(noise, bins=10, min=0, max=1)
    assert (counts - 10_000).abs().max() < 5 * 100  # five standard deviations
    following = uniform_noise(0, Stream.TRAINING, 1, 1000, (1, 10, 10))
    assert torch.equal(noise[1:], following[:-1])
    correlation = torch.corrcoef(noise.view(1000, -1)[:, :2].T)[0, 1]
    assert correlation.abs() < 0.15


@pytest.mark.parametrize(("draw", "mean", "std"), [(uniform, 0.5, 12**-0.5), (normal, 0.0, 1.0)])
def test_drawn_numbers_of_an_image_do_not_depend_on_the_number_of_images(
    draw: Callable[[int, int, torch.Generator], Tensor], mean: float, std: float
) -> None:
    few, many = (draw(num, 1001, torch.Generator().manual_seed(0)) for num in (2, 30))
    assert torch.equal(few, many[:2])
    assert many.shape == (30, 1001)
    assert many.mean().item() == pytest.approx(mean, abs=5 * std / many.numel() ** 0.5)
    assert many.std().item() == pytest.approx(std, rel=0.03)


def test_streams_and_seeds_differ() -> None:
    noises = {tuple(uniform_noise(seed, stream, 0, 1, (4,))[0].tolist()) for seed in range(3) for stream in Stream}
    assert len(noises) == 3 * len(Stream)


def test_order_and_noise_are_those_that_earlier_versions_gave() -> None:
    """So that a training goes on, and an evaluation is repeated, with the next version."""
    assert shuffled(seed=3, start=4, count=8, size=5).tolist() == [0, 1, 4, 0, 2, 3, 4, 0]
    last_two = {stream: uniform_noise(7, stream, 1000, 2, (3, 2, 2))[1].flatten()[-2:] for stream in Stream}
    assert {stream.name: (numbers * 2**24).int().tolist() for stream, numbers in last_two.items()} == {
        "TRAINING": [15287722, 15337737],
        "INITIALIZATION": [9873620, 13481584],
        "EVALUATION": [3097978, 364116],
        "AUGMENTATION": [7920423, 6424091],
    }
