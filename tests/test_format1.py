"""What glowflow 0.1 stored still loads: real files of format 1, written by the code of commit 59db0bf."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from glowflow import Glow
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.images import dequantize
from glowflow.migration import migrated
from glowflow.presets import load_run
from glowflow.training import train

STORED = Path(__file__).parent / "data" / "format1"


@pytest.mark.parametrize("name", ["glow", "realnvp", "conditional", "shuffled"])
def test_a_stored_model_has_the_same_likelihoods_and_latents(name: str, tmp_path: Path) -> None:
    expected = np.load(STORED / name / "expected.npz")
    model = Glow.from_pretrained(STORED / name).double()
    images, noise = (torch.from_numpy(expected[key]) for key in ("images", "noise"))
    y = torch.tensor([0, 1, 0, 1]) if model.config.num_classes else None
    x = dequantize(images, model.config.num_bits, noise).double()
    torch.testing.assert_close(model.log_prob(x, y), torch.from_numpy(expected["log_prob64"]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.encode(images, y), torch.from_numpy(expected["z"]), rtol=1e-10, atol=1e-10)
    model.float().save_pretrained(tmp_path)
    assert Glow.from_pretrained(tmp_path).config == model.config


def test_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    shutil.copytree(STORED / "run", run)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["train"] |= {"data": str(STORED / "run.npz")}
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    settings["train"]["images"] = 128
    state = train(RunConfig(GlowConfig(**migrated(settings["model"])), TrainConfig(**settings["train"])), run)
    expected = np.load(STORED / "run_expected.npz")
    assert state.progress.position == 128
    for name, value in state.model.state_dict().items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-4, atol=1e-5)


def test_a_configuration_of_format_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(
        "model: {image_shape: [3, 8, 8], logit: true, residual_blocks: 3, layout: realnvp}"
    )
    model = load_run(str(tmp_path / "old.yaml")).model
    assert model.layout == {"kind": "realnvp", "logit": True}
    assert model.conditioner == {"kind": "residual", "blocks": 3}
