"""File systems of networks, buckets and containers can't do everything, and runs on them work all the same."""

import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from glowflow import Glow, InputError
from glowflow.config import RunConfig
from glowflow.durable import append, replacing, save_text, sync
from glowflow.errors import RunBusyError
from glowflow.training import train

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these functions")


def failing(number: int) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL])
def test_without_locks_a_run_is_trained_and_this_is_reported(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    monkeypatch.setattr("fcntl.flock", failing(number))
    train(config, tmp_path / "run")
    told = capfd.readouterr().err
    assert f"{tmp_path / 'run' / '.lock'} can't be locked ({os.strerror(number)})" in told
    assert "Waiting for another process" not in told


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_another_process_has_still_keeps_a_second_training_out(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    train(config, tmp_path / "run")
    monkeypatch.setattr("fcntl.flock", failing(number))
    with pytest.raises(RunBusyError, match="Another process is training"):
        train(config, tmp_path / "run")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES])
def test_directories_that_cannot_be_synced_are_left_to_the_file_system(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    original = os.fsync

    def fsync(descriptor: int) -> None:
        failing(number)() if stat.S_ISDIR(os.fstat(descriptor).st_mode) else original(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    train(config, tmp_path / "run")
    Glow.from_pretrained(tmp_path / "run")


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_what_does_not_reach_the_disk_is_an_error_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    save_text(path := tmp_path / "notes.txt", "old")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        save_text(path, "new")
    with pytest.raises(OSError, match=os.strerror(number)):
        sync(tmp_path)
    assert path.read_text() == "old"


def test_without_permissions_of_files_a_run_is_trained(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "chmod", failing(errno.EPERM))
    train(config, tmp_path / "run")
    Glow.from_pretrained(tmp_path / "run")


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002])
def test_written_files_have_the_permissions_of_any_other_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "model") as partial:
            partial.chmod(0o600)  # as safetensors does
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o666 & ~mask


def test_a_disk_whose_room_cannot_be_claimed_is_used_all_the_same(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EOPNOTSUPP), raising=False)
    assert train(config, tmp_path / "run").progress.position == 320


def test_a_cache_that_cannot_be_mapped_into_memory_is_one_sentence(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmap.mmap", failing(errno.ENODEV))
    with pytest.raises(InputError, match=r"can't be prepared .*No such device.* on a local disk.* GLOWFLOW_CACHE"):
        train(config, tmp_path / "run")


def test_a_run_that_came_with_an_image_of_a_container_goes_on(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in a lower layer of an overlay can be changed and can't be renamed."""
    train(config, out := tmp_path / "run")
    original, started = os.rename, time.time_ns()

    def rename(source: Path, target: Path) -> None:
        failing(errno.EXDEV)() if source.stat().st_ctime_ns < started else original(source, target)

    monkeypatch.setattr(os, "rename", rename)
    longer = replace(config, train=replace(config.train, images=480))
    assert train(longer, out).progress.position == 480
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["best", "last", "previous", "samples"]


def test_the_error_of_a_line_that_cannot_be_added_is_that_of_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(path := tmp_path / "metrics.jsonl", "{}\n")
    monkeypatch.setattr(os, "truncate", failing(errno.ENOSYS))
    monkeypatch.setattr(Path, "open", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        append(path, "{}\n")
