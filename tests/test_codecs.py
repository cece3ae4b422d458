"""The benchmark of codecs counts what their files hold, and refuses a file that isn't lossless."""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.codecs import CODECS, bits_per_dim, compare, measure
from glowflow import Glow, GlowConfig, RunConfig, TrainConfig, load, train
from glowflow.errors import InputError
from glowflow.evaluate import likelihood

PILLOWS = [CODECS["PNG"], CODECS["WebP"]]


@pytest.mark.parametrize("options", PILLOWS, ids=lambda options: options["format"])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_takes_all_bits_and_an_even_image_few(options: dict[str, Any], channels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, channels), np.uint8)
    assert 8 < bits_per_dim(noise, options) < 9
    assert bits_per_dim(noise // np.uint8(8), options) < 6.5  # 5 bits as levels
    assert bits_per_dim(np.full_like(noise, 90), options) < 0.9


def test_a_lossy_file_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match="changes an image"):
        bits_per_dim(noise, {"format": "JPEG"})


def test_a_preset_is_measured_on_its_test_images() -> None:
    files = [BytesIO() for _ in range(500)]
    for file, image in zip(files, load("digits", (1, 28, 28), "test").images, strict=True):
        Image.fromarray(image[..., 0]).save(file, "PNG", optimize=True)
    found = measure("digits", "PNG")
    assert found["data"] == "digits"
    assert found["bits_per_dim"] == pytest.approx(sum(len(file.getvalue()) for file in files) * 8 / 500 / 784)
    assert 0 < found["standard_error"] < 0.1


def test_a_model_is_compared_image_by_image(tmp_path: Path) -> None:
    model = GlowConfig((1, 28, 28), steps=1, width=8)
    train(RunConfig(model, TrainConfig(data="digits", images=32, init_batch_size=16, validation_images=16)), tmp_path)
    found = compare(str(tmp_path), "PNG")
    png, digits = measure("digits", "PNG"), load("digits", (1, 28, 28), "test")
    bits = likelihood(Glow.from_pretrained(tmp_path).freeze(), digits).bits_per_dim
    assert found["bits_per_dim"] == pytest.approx(bits - png["bits_per_dim"])
    assert found["images"] == 500


def test_the_plugin_for_jpeg_xl_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(InputError, match=r"JPEG XL needs pillow_jxl.*pip install -e '\.\[codecs\]'"):
        measure("digits", "JPEG XL")
