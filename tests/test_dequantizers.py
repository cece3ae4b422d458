"""Every dequantizer keeps the contract."""

import pytest
import torch

from glowflow import GlowConfig
from glowflow.dequantizers import Dequantizer
from glowflow.images import quantize, to_uint8
from glowflow.parts import DEQUANTIZERS
from tests.helpers import randomize

CONFIG = GlowConfig((1, 2, 2), num_bits=3)


@pytest.fixture(params=DEQUANTIZERS.names, name="dequantizer")
def _dequantizer(request: pytest.FixtureRequest) -> Dequantizer:
    torch.manual_seed(0)
    dequantizer: Dequantizer = randomize(DEQUANTIZERS.build(request.param, CONFIG))
    return dequantizer


def test_every_value_stays_within_its_bin(dequantizer: Dequantizer) -> None:
    images = torch.randint(256, (500, 1, 2, 2), dtype=torch.uint8)
    noise = torch.rand(images.shape)
    noise[:100], noise[100:200] = 0, 1 - 2**-24  # the least and the largest number that float32 draws
    x, log_q = dequantizer(images, noise)
    assert x.abs().max() <= 0.5
    assert torch.equal(to_uint8(x, CONFIG.num_bits), quantize(images, CONFIG.num_bits))
    assert log_q.shape == (500,)
    torch.testing.assert_close(dequantizer.freeze()(images, noise), dequantizer(images, noise))


def test_the_density_of_the_noise_sums_to_one(dequantizer: Dequantizer) -> None:
    """The mean of 1 / q(u) over u drawn from q is the volume of the bin, 1."""
    images = torch.tensor([[[[0, 100], [200, 255]]]], dtype=torch.uint8).expand(20_000, 1, 2, 2)
    _, log_q = dequantizer(images, torch.rand(images.shape, generator=torch.Generator().manual_seed(0)))
    assert float((-log_q).exp().mean()) == pytest.approx(1, abs=0.05)
