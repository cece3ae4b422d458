"""A signal ends a command without a loss: from a user, from a scheduler, or from a terminal that is closed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from glowflow import cli, pictures
from glowflow.config import RunConfig
from glowflow.durable import replacing
from glowflow.model import Glow
from glowflow.signals import requests
from glowflow.training.run import as_plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture(name="model")
def _model(config: RunConfig, tmp_path: Path) -> Path:
    Glow(config.model).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("signum", requests())
def test_a_command_that_is_ended_leaves_nothing_half_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signum: int
) -> None:
    def save(_picture: object, path: Path) -> None:
        with replacing(path) as partial:
            partial.write_text("the first half")
            os.kill(os.getpid(), signum)

    monkeypatch.setattr(pictures, "save", save)
    before = {each: signal.getsignal(each) for each in requests()}
    (out := tmp_path / "pictures").mkdir()
    assert cli.main(["sample", str(model), "--num", "1", "--out", str(out / "a.png")]) == 128 + signum
    assert "Interrupted; the same command starts again." in capsys.readouterr().err
    assert list(out.iterdir()) == []
    assert {each: signal.getsignal(each) for each in requests()} == before


@pytest.mark.parametrize(("launched", "listens"), [(False, False), (True, True)])
def test_a_closed_terminal_ends_nothing_under_nohup_unless_torchrun_is_ended_by_it(
    monkeypatch: pytest.MonkeyPatch, *, launched: bool, listens: bool
) -> None:
    if launched:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert signal.SIGHUP in requests()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert (signal.SIGHUP in requests()) == listens
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_costs_no_checkpoint(config: RunConfig, tmp_path: Path) -> None:
    """A terminal that is gone, where writing fails."""
    (tmp_path / "long.yaml").write_text(yaml.safe_dump(as_plain(config)))
    here, terminal = os.openpty()
    command = [sys.executable, "-m", "glowflow", "train", "long.yaml", "--train.images", "10000000", "--out", "run"]
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        os.close(terminal)
        while b"bits/dim on validation images" not in os.read(here, 1000):
            assert process.poll() is None
        os.close(here)
        os.kill(process.pid, signal.SIGHUP)
        assert process.wait(60) == 128 + signal.SIGHUP
    assert torch.isfinite(next(Glow.from_pretrained(tmp_path / "run" / "last").parameters())).all()
