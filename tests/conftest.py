"""Tests run one to a core, and keep prepared data out of the user's cache."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from glowflow import GlowConfig, TrainConfig
from glowflow.config import RunConfig

os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
os.environ["GLOWFLOW_CACHE"] = str(Path(__file__).parents[1] / ".pytest_cache" / "glowflow")
torch.set_num_threads(1)


@pytest.fixture(name="config")
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A tiny training on smooth images of two kinds."""
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 1, 8)
    images = rng.integers(40, 80, (100, 1, 1)) + 100 * slope[None, :, None] * np.ones((1, 1, 8))
    labels = np.arange(100) % 2
    images[labels == 1] = images[labels == 1].transpose(0, 2, 1)
    np.savez(tmp_path / "images.npz", images=images.astype(np.uint8)[..., None], labels=labels)
    return RunConfig(
        GlowConfig((1, 8, 8), steps=2, width=8),
        TrainConfig(
            data=str(tmp_path / "images.npz"),
            images=320,
            batch_size=16,
            init_batch_size=32,
            lr=5e-3,
            warmup_images=64,
            averaging=0.9,
            validate_every=160,
            validation_images=20,
        ),
    )
