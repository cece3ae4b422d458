"""Tests run one to a core, and keep prepared data out of the user's cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from glowflow import GlowConfig, TrainConfig
from glowflow.config import RunConfig
from tests.helpers import lay_out

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

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


@pytest.fixture(scope="module", name="browsers")
def _browsers() -> Iterator[Playwright]:
    """What starts browsers. There can be only one at a time."""
    from tests.browser import playwright  # noqa: PLC0415  it may be missing

    with playwright.sync_playwright() as running:
        yield running


@pytest.fixture(scope="module", name="browser")
def _browser(browsers: Playwright) -> Iterator[Browser]:
    from tests.browser import chromium  # noqa: PLC0415  playwright may be missing

    with chromium(browsers) as browser:
        yield browser


@pytest.fixture(scope="session", name="laid_out")
def _laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("laid_out")
    lay_out(home)
    return home


@pytest.fixture(name="home")
def _home(laid_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own to work in, with pictures, tiny.yaml, a preset for them, and run, trained with it."""
    home = tmp_path / "home"
    shutil.copytree(laid_out, home)
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(home)
    return home
