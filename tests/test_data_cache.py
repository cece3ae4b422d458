import errno
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from glowflow.data.cache import Builder, Names, Source, cache_directory, prepared
from glowflow.data.dataset import SPLITS
from glowflow.errors import InputError


class Counted:
    """A tiny source that counts how often it's built."""

    def __init__(self, key: str = "tiny", replaces: str = "") -> None:
        self.times = 0
        self.source = Source("tiny", key, self.build, replaces)

    def build(self, builder: Builder) -> Names:
        self.times += 1
        for number, split in enumerate(SPLITS):
            images = np.full((4, 2, 3, 1), number, np.uint8)
            builder.save(split, images=images, labels=np.arange(4), sources=np.array([b"a", b"b", b"c", b"d.png"]))
        return Names(classes=("w", "x", "y", "z"))


def test_what_was_written_is_read_and_only_written_once(tmp_path: Path) -> None:
    tiny = Counted()
    for _ in range(2):
        splits = prepared(tiny.source, tmp_path)
    assert tiny.times == 1
    assert [int(splits[split].images[3, 1, 2, 0]) for split in SPLITS] == [0, 1, 2]
    assert splits["test"].labels is not None
    assert splits["test"].labels.tolist() == [0, 1, 2, 3]
    assert splits["test"].class_names == ("w", "x", "y", "z")
    assert splits["test"].describe(3) == "d.png"
    assert isinstance(splits["train"].images, np.memmap)


def test_the_directory_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GLOWFLOW_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_directory() == Path.home() / ".cache" / "glowflow"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "glowflow"
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own"


def _truncate(directory: Path) -> None:
    with (directory / "train-images.npy").open("r+b") as file:
        file.truncate(140)


def _lose(directory: Path) -> None:
    (directory / "test-labels.npy").unlink()


def _reshape(directory: Path) -> None:
    np.save(directory / "validation-images.npy", np.zeros((3, 2, 3, 1), np.uint8))


def _garble(directory: Path) -> None:
    (directory / "meta.json").write_text("{")


def _outdate(directory: Path) -> None:
    meta = json.loads((directory / "meta.json").read_text())
    (directory / "meta.json").write_text(json.dumps(meta | {"format": -1}))


@pytest.mark.parametrize("damage", [_truncate, _lose, _reshape, _garble, _outdate])
def test_a_damaged_cache_is_built_anew(damage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    tiny = Counted()
    prepared(tiny.source, tmp_path)
    damage(tmp_path / "tiny")
    splits = prepared(tiny.source, tmp_path)
    assert tiny.times == 2
    assert int(splits["validation"].images[3, 0, 0, 0]) == 1
    assert "again" in capsys.readouterr().err


def test_two_at_once_build_once(tmp_path: Path) -> None:
    tiny, began, go_on = Counted(), threading.Event(), threading.Event()

    def slow(builder: Builder) -> Names:
        began.set()
        assert go_on.wait(10)
        return tiny.build(builder)

    source, lengths = Source("tiny", "tiny", slow), []
    threads = [threading.Thread(target=lambda: lengths.append(len(prepared(source, tmp_path)["test"]))) for _ in "ab"]
    for thread in threads:
        thread.start()
    assert began.wait(10)
    threads[1].join(0.2)  # gives a second builder, if the lock let it in, time to count
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert lengths == [4, 4]
    assert tiny.times == 1


def test_an_interrupted_build_is_no_data_set_and_can_go_on(tmp_path: Path) -> None:
    tiny = Counted()

    def interrupted(builder: Builder) -> Names:
        builder.scratch("done", (2,), np.bool_)[0] = True
        builder.save("train", images=np.ones((4, 2, 3, 1), np.uint8))
        raise KeyboardInterrupt

    def resumed(builder: Builder) -> Names:
        assert builder.scratch("done", (2,), np.bool_).tolist() == [True, False]
        assert builder.create("train", "images", (4, 2, 3, 1), np.uint8).all()
        return tiny.build(builder)

    with pytest.raises(KeyboardInterrupt):
        prepared(Source("tiny", "tiny", interrupted), tmp_path)
    assert not (tmp_path / "tiny").exists()
    assert len(prepared(Source("tiny", "tiny", resumed), tmp_path)["train"]) == 4
    assert not list((tmp_path / "tiny").glob("*scratch*"))


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def failing(builder: Builder) -> Names:
        builder.save("train", images=np.ones((4, 2, 3, 1), np.uint8))
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        prepared(Source("tiny", "tiny", failing), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".tiny.lock"]


def test_a_newer_version_replaces_the_older(tmp_path: Path) -> None:
    for key in ("tiny-1", "tiny-2", "other-1"):
        prepared(Counted(key, replaces=f"{key[:-1]}").source, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["other-1", "tiny-2"]


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"^tiny can't be prepared in the cache directory .*file.*GLOWFLOW_CACHE\.$"):
        prepared(Counted().source, tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="blocks can't be reserved on this system")
def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match="No space left on device"):
        prepared(Counted().source, tmp_path)
    assert not list(tmp_path.glob("*.partial"))
