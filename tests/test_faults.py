"""After any fault, a run's last good checkpoint is found and leads to the same result."""

import errno
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glowflow import Glow, InputError
from glowflow.config import RunConfig
from glowflow.durable import verify
from glowflow.training import Options, TrainingState, train
from glowflow.training.checkpoints import set_aside_damaged
from glowflow.training.metrics import Metrics
from tests.helpers import assert_same

RESULT = {"data": "noise", "split": "validation", "bits_per_dim": 5.0, "standard_error": 0.1, "num_images": 20}

FILES = [f"{name}.safetensors" for name in ("model", "optimizer", "raw")]
FILES = sorted([*FILES, *(f"{name}.json" for name in ("config", "digests", "images", "provenance", "training"))])


@pytest.fixture(name="run")
def _run(config: RunConfig, tmp_path: Path) -> Path:
    """A run with a last checkpoint at its end, 320 images, and a previous one at 160."""
    train(config, tmp_path / "run")
    return tmp_path / "run"


def test_a_checkpoint_has_these_files(run: Path) -> None:
    assert sorted(path.name for path in (run / "last").iterdir()) == ["README.md", *FILES]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [lambda content: content[:-7], lambda _: None], ids=["truncated", "missing"])
def test_a_damaged_checkpoint_is_set_aside_and_the_previous_one_used(
    run: Path,
    config: RunConfig,
    capfd: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[bytes], bytes | None],
) -> None:
    before = TrainingState.new(config, "cpu")
    before.restore(run)
    path = run / "last" / name
    content = damage(path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)
    after = train(config, run)
    assert_same(after, before)
    told = capfd.readouterr().err
    assert name in told
    assert "Going on with" in told
    assert "at 160 of 320" in told
    assert (run / "damaged").is_dir()


def test_every_flipped_bit_is_detected(run: Path) -> None:
    rng = random.Random(0)  # noqa: S311 (no secret)
    for _ in range(200):
        path = run / "last" / rng.choice(FILES)
        content = path.read_bytes()
        place = rng.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
        with pytest.raises(InputError, match=r"damaged|missing"):
            verify(run / "last")
        path.write_bytes(content)
    verify(run / "last")


def test_a_damaged_model_is_not_loaded(run: Path) -> None:
    path = run / "best" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
        Glow.from_pretrained(run)


def test_without_an_undamaged_checkpoint_nothing_is_overwritten(run: Path, config: RunConfig) -> None:
    for name in ("last", "previous"):
        (run / name / "training.json").write_text("{")
    before = sorted(path.name for path in run.iterdir())
    with pytest.raises(InputError, match="no undamaged checkpoint"):
        train(config, run)
    assert sorted(path.name for path in run.iterdir()) == before


class CrashError(BaseException):
    """The simulated end of the process, which no handler catches."""


def counted(original: Callable[..., object], name: str, done: list[str], at: int) -> Callable[..., object]:
    def step(*args: object, **options: object) -> object:
        if len(done) == at:
            raise CrashError
        done.append(name)
        return original(*args, **options)

    return step


@contextmanager
def crashing(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[list[str]]:
    """Die before operation `at` on the file system, and return the operations so far."""
    done: list[str] = []
    with monkeypatch.context() as patch:
        for owner, name in [(Path, "rename"), (Path, "replace"), (Path, "mkdir"), (Path, "touch"), (shutil, "rmtree")]:
            original = getattr(owner, name)

            patch.setattr(owner, name, counted(original, name, done, at))
        patch.setattr(Path, "unlink", lambda _self, missing_ok=False: None)  # the dead don't clean up
        try:
            yield done
        except CrashError:
            done.append("crash")


def test_a_crash_at_any_point_of_saving_leaves_a_whole_checkpoint(
    run: Path, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = TrainingState.new(config, "cpu")
    state.restore(run)
    position = state.progress.position
    state.progress.position += 16
    for at in range(100):
        shutil.copytree(run, copy := tmp_path / "copies" / str(at))
        with crashing(monkeypatch, at) as done:
            state.save(copy)
            state.save_model(copy / "best", None, RESULT)
        found = TrainingState.new(config, "cpu")
        set_aside_damaged(copy)
        assert found.restore(copy)
        assert found.progress.position in {position, position + 16}
        Glow.from_pretrained(copy)
        if "crash" not in done:
            break
        found.save(copy)  # what was left doesn't stand in the way
        found.save_model(copy / "best", None, RESULT)
        shutil.rmtree(copy)
    assert at > 20
    assert found.progress.position == position + 16


def test_a_full_disk_does_not_stop_a_training(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, original, saves = train(config, tmp_path / "whole"), TrainingState.save, 0

    def save(self: TrainingState, out: Path) -> None:
        nonlocal saves
        saves += 1
        if saves == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(out / "last"))
        original(self, out)

    monkeypatch.setattr(TrainingState, "save", save)
    assert_same(train(config, tmp_path / "run"), whole)
    assert "No space left on device" in capfd.readouterr().err
    assert saves == 3
    verify(tmp_path / "run" / "last")


def test_a_disk_that_is_full_at_the_end_is_an_error(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, original = tmp_path / "run", TrainingState.save
    whole = train(config, tmp_path / "whole")

    def save(self: TrainingState, out: Path) -> None:
        if self.progress.position == 320:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, out)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "save", save)
        with pytest.raises(OSError, match="No space left"):
            train(config, out)
    assert_same(train(config, out), whole)


def test_metrics_that_cannot_be_written_cost_no_checkpoint(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")

    monkeypatch.setattr(Metrics, "write", fail)
    train(config, tmp_path / "run")
    assert "metrics.jsonl couldn't be written" in capfd.readouterr().err
    verify(tmp_path / "run" / "last")


def test_a_crash_before_the_first_checkpoint_does_not_block_the_directory(config: RunConfig, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".config.yaml.partial").touch()
    (out / ".last.partial").mkdir()
    assert train(config, out).progress.position == 320


def test_fine_tuning_starts_from_the_model(run: Path, config: RunConfig, tmp_path: Path) -> None:
    longer = replace(config, train=replace(config.train, lr=0.0, start=str(run)))
    tuned = train(longer, tmp_path / "tuned")
    torch.testing.assert_close(tuned.model.state_dict(), Glow.from_pretrained(run).state_dict())
    other = replace(longer, model=replace(config.model, steps=3))
    with pytest.raises(InputError, match=r"model\.steps: 2 there, 3 here"):
        train(other, tmp_path / "other")
    train(config, tmp_path / "other")  # a start that came to nothing binds nobody
    with pytest.raises(InputError, match=r"train\.start"):
        train(longer, tmp_path / "other")


@pytest.mark.parametrize("memory", ["store", "reversible"])
def test_a_batch_in_parts_gives_the_whole_ones_gradient(config: RunConfig, tmp_path: Path, memory: str) -> None:
    short = replace(config, train=replace(config.train, images=48))
    execution = replace(Options().execution, memory=memory)
    whole = train(short, tmp_path / "whole", options=Options(execution))
    parts = train(short, tmp_path / "parts", options=Options(execution, micro_batch=5))
    torch.testing.assert_close(parts.model.state_dict(), whole.model.state_dict(), rtol=0, atol=1e-5)
