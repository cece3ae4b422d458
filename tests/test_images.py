"""uint8 <-> continuous images, nats <-> bits per dimension."""

import pytest
import torch

from glowflow import Glow, GlowConfig
from glowflow.data import Dataset
from glowflow.evaluate import likelihood
from glowflow.images import Array, bits_per_dim, dequantize, quantize, to_uint8


@pytest.mark.parametrize("num_bits", range(1, 9))
def test_every_level_survives_with_any_noise(num_bits: int) -> None:
    images = torch.arange(256, dtype=torch.uint8)
    for noise in (0.0, 0.25, 0.5, 0.99):
        x = dequantize(images, num_bits, noise)
        assert x.min() >= -0.5
        assert x.max() < 0.5
        assert torch.equal(to_uint8(x, num_bits), quantize(images, num_bits))


def test_values_outside_are_clipped() -> None:
    assert to_uint8(torch.tensor([-9.0, -0.51, 0.51, 9.0]), 5).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("num_bits", range(1, 9))
def test_a_uniform_density_scores_exactly_n_bits(num_bits: int) -> None:
    class Uniform(Glow):
        """The density of the unit cube, in which every continuous image lies."""

        def log_prob(self, x: Array, y: Array | None = None) -> torch.Tensor:
            assert y is None
            return torch.zeros(len(x))

    config = GlowConfig((1, 4, 4), steps=1, width=4, num_bits=num_bits)
    images = torch.randint(256, (7, 4, 4, 1), dtype=torch.uint8).numpy()
    result = likelihood(Uniform(config), Dataset("noise", "test", images), num_draws=2)
    assert result.bits_per_dim == num_bits
    assert result.standard_error == 0


def test_bits_per_dim_follows_its_definition() -> None:
    log_prob, num_dims = torch.tensor(-1234.5), 48
    ln2 = torch.log(torch.tensor(2.0))
    expected = (num_dims * 5 * ln2 - log_prob) / (num_dims * ln2)
    torch.testing.assert_close(bits_per_dim(log_prob, num_dims, 5), expected)
