"""Files and directories are written whole or not at all; what isn't as it was written is told from what is."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from glowflow import InputError
from glowflow.durable import (
    DIGESTS,
    append,
    beside,
    digest,
    is_sealed,
    load_json,
    load_lines,
    recover,
    rename_directory,
    replacing,
    replacing_directory,
    save_json,
    save_text,
    seal,
    sync,
    verify,
)


def failing(number: int) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


def write_half(path: Path) -> None:
    path.write_text("half")
    raise OSError(errno.ENOSPC, "full")


def fill(directory: Path, content: str = "") -> Path:
    directory.mkdir(parents=True)
    (directory / "content").write_text(content)
    return directory


def content(directory: Path) -> str:
    (file,) = directory.iterdir()
    return file.read_text()


def test_a_failure_is_told_with_the_name_that_the_user_gave(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for error, number, reason in (
        (OSError(errno.ENOSPC, "full", "elsewhere"), errno.ENOSPC, "full"),
        (OSError("odd"), errno.EIO, "odd"),
    ):
        with pytest.raises(OSError, match=reason) as raised, replacing(path):
            raise error
        assert (raised.value.errno, raised.value.filename) == (number, str(path))
    assert not os.listdir(tmp_path)


def test_an_open_file_gets_the_content_when_it_is_whole(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        place = Path(f"/dev/fd/{log.fileno()}")
        with pytest.raises(OSError, match="full"), replacing(place) as partial:
            write_half(partial)
        with replacing(place) as partial:
            partial.write_text("whole")
            assert (tmp_path / "log").read_text() == ""
    assert (tmp_path / "log").read_text() == "whole"
    with (tmp_path / "empty").open("w") as log, replacing(Path(f"/dev/fd/{log.fileno()}")):
        pass
    assert (tmp_path / "empty").read_text() == ""


def test_a_place_that_cannot_be_taken_for_another_reason_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_text(path := tmp_path / "notes.txt", "old")
    monkeypatch.setattr(Path, "replace", failing(errno.EACCES))
    with pytest.raises(PermissionError):
        save_text(path, "new")
    assert path.read_text() == "old"


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    save_text(path := tmp_path / "notes.txt", "old")
    path.chmod(0o640)
    save_text(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_in_a_folder_that_takes_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("old")
    original = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and original(path, mode))
    before = (tmp_path / "there").stat().st_ino
    save_text(tmp_path / "there", "new")
    assert (tmp_path / "there").read_text() == "new"
    assert (tmp_path / "there").stat().st_ino == before


def test_a_mounted_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("old")

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", busy)
        save_text(tmp_path / "there", "new")
    assert (tmp_path / "there").read_text() == "new"
    assert not (tmp_path / ".there.partial").exists()


def test_other_names_of_a_file_keep_its_old_content(tmp_path: Path) -> None:
    """So a copy of a run by hard links, as backups make them, stays as it was."""
    (tmp_path / "there").write_text("old")
    os.link(tmp_path / "there", tmp_path / "backup")
    save_text(tmp_path / "there", "new")
    assert (tmp_path / "backup").read_text() == "old"


def test_a_failure_leaves_the_target_of_a_link_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to("there")
    with suppress(RuntimeError), replacing(tmp_path / "link") as partial:
        partial.write_text("half")
        raise RuntimeError
    assert (tmp_path / "there").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_directory_behind_a_link_is_replaced_there(tmp_path: Path) -> None:
    (tmp_path / "disk" / "best").mkdir(parents=True)
    (tmp_path / "disk" / "best" / "old").touch()
    (tmp_path / "best").symlink_to("disk/best")
    with replacing_directory(tmp_path / "best") as partial:
        (partial / "new").touch()
    assert (tmp_path / "best").is_symlink()
    assert os.listdir(tmp_path / "disk" / "best") == ["new"]
    assert os.listdir(tmp_path / "disk") == ["best"]


def test_names_in_other_encodings_come_out_as_they_were(tmp_path: Path) -> None:
    save_text(tmp_path / "names", os.fsdecode(b"caf\xe9 \xc3\xa9"))
    assert (tmp_path / "names").read_bytes() == b"caf\xe9 \xc3\xa9"


def test_a_file_reaches_the_disk_before_its_name_and_a_directory_after_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace, rename = os.fsync, Path.replace, Path.rename

    def noted(what: str, original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            done.append(what)
            return original(*arguments)

        return call

    monkeypatch.setattr(os, "fsync", noted("sync", fsync))
    monkeypatch.setattr(Path, "replace", noted("replace", replace))
    monkeypatch.setattr(Path, "rename", noted("rename", rename))
    save_text(tmp_path / "notes.txt", "new")
    assert done == ["sync", "replace"]
    done.clear()
    with replacing_directory(tmp_path / "model"):
        pass
    assert done == ["sync", "rename", "sync"]


def test_a_directory_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = fill(tmp_path / "runs" / "model", "old")
    with replacing_directory(target) as partial:
        (partial / "content").write_text("new")
        assert content(target) == "old"
    assert content(target) == "new"
    assert os.listdir(target.parent) == ["model"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_directory_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    with replacing_directory(tmp_path / "private") as partial:
        (partial / "a").touch()
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_the_folders_above_a_directory_are_made(tmp_path: Path) -> None:
    with replacing_directory(tmp_path / "runs" / "mine" / "model") as partial:
        (partial / "content").write_text("new")
    assert content(tmp_path / "runs" / "mine" / "model") == "new"


def test_a_directory_s_old_content_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    target, previous = fill(tmp_path / "last", "second"), fill(tmp_path / "previous", "first")
    with replacing_directory(target, previous) as partial:
        (partial / "content").write_text("third")
    assert (content(target), content(previous)) == ("third", "second")
    assert sorted(os.listdir(tmp_path)) == ["last", "previous"]


def test_an_older_checkpoint_stays_while_there_is_no_last_one(tmp_path: Path) -> None:
    """As a crash between two renamings leaves it: what is written next doesn't take its place."""
    previous = fill(tmp_path / "previous", "first")
    with replacing_directory(tmp_path / "last", previous) as partial:
        (partial / "content").write_text("second")
    assert (content(tmp_path / "last"), content(previous)) == ("second", "first")


def test_what_a_crash_left_is_no_part_of_what_is_written_next(tmp_path: Path) -> None:
    target = tmp_path / "model"
    fill(beside(target, "partial"), "half")
    with replacing_directory(target) as partial:
        assert not list(partial.iterdir())
    fill(beside(target, "old"), "older")
    fill(tmp_path / "previous", "old")
    with replacing_directory(target, tmp_path / "previous") as partial:
        (partial / "content").write_text("new")
    assert content(target) == "new"
    assert sorted(os.listdir(tmp_path)) == ["model", "previous"]


def test_a_directory_that_cannot_be_filled_leaves_the_old_one_and_no_rest(tmp_path: Path) -> None:
    target = fill(tmp_path / "model", "old")
    with pytest.raises(OSError, match="full"), replacing_directory(target):
        raise OSError(errno.ENOSPC, "full")
    assert content(target) == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_a_failure_is_told_although_nothing_can_be_removed(tmp_path: Path) -> None:
    def empty(partial: Path) -> None:
        partial.rmdir()
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"), replacing_directory(tmp_path / "model") as partial:
        empty(partial)


def test_a_failure_costs_nothing_of_what_a_crash_left(tmp_path: Path) -> None:
    target = tmp_path / "model"
    fill(beside(target, "old"), "old")
    with pytest.raises(OSError, match="full"), replacing_directory(target):
        raise OSError(errno.ENOSPC, "full")
    assert content(target) == "old"


def test_a_replacement_that_was_cut_short_is_put_right(tmp_path: Path) -> None:
    target, old = tmp_path / "model", beside(tmp_path / "model", "old")
    recover(target)
    assert not target.exists()
    fill(old, "old")
    recover(target)
    assert content(target) == "old"
    fill(old, "older")
    recover(target)
    assert content(target) == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_what_stands_beside_a_path_is_hidden_and_of_a_length_that_any_file_system_takes() -> None:
    assert beside(Path("runs/model"), "old") == Path("runs/.model.old")
    assert beside(Path("x" * 128), "old") == Path(f".{'x' * 128}.old")
    names = {beside(Path(letter * length), "old").name for letter in "xé" for length in (129, 250)}
    assert len(names) == 4
    assert all(len(os.fsencode(name)) < 50 for name in names)


@pytest.mark.parametrize(
    ("number", "of_file", "of_directory"),
    [(errno.EINVAL, False, False), (errno.EACCES, True, False), (errno.EBADF, True, False), (errno.EIO, True, True)],
)
def test_a_disk_s_failure_is_told_from_what_a_file_system_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, of_file: bool, of_directory: bool
) -> None:
    save_text(path := tmp_path / "notes.txt", "")
    monkeypatch.setattr(os, "fsync", failing(number))
    for each, fails in ((path, of_file), (tmp_path, of_directory)):
        if fails:
            with pytest.raises(OSError, match=os.strerror(number)):
                sync(each)
        else:
            sync(each)


def test_syncing_leaves_no_file_open(tmp_path: Path) -> None:
    first = os.open(tmp_path, os.O_RDONLY)
    os.close(first)
    sync(tmp_path)
    second = os.open(tmp_path, os.O_RDONLY)
    os.close(second)
    assert first == second


def test_a_directory_in_another_layer_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, rename = fill(tmp_path / "source", "it"), Path.rename

    def across(self: Path, target: Path) -> None:
        failing(errno.EXDEV)() if self == source else rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    fill(beside(tmp_path / "target", "copy"), "half of an earlier one")
    rename_directory(source, tmp_path / "target")
    assert content(tmp_path / "target") == "it"
    assert os.listdir(tmp_path) == ["target"]
    monkeypatch.setattr(Path, "rename", failing(errno.EACCES))
    with pytest.raises(PermissionError):
        rename_directory(tmp_path / "target", source)


def test_lines_are_added_and_a_cut_one_gets_its_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert load_lines(path) == []
    append(path, '{"a": 1}\n')
    append(path, '{"a": 2}\n')
    assert path.read_text() == '{"a": 1}\n{"a": 2}\n'
    path.write_text("{")
    append(path, '{"a": 2}\n')
    assert path.read_text() == '{\n{"a": 2}\n'
    path.write_text('{"a": 1}\n{"a"')
    append(path, '{"a": 3}\n')
    assert path.read_text() == '{"a": 1}\n{"a"\n{"a": 3}\n'
    assert load_lines(path) == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize("before", ["", '{"a": 1}\n'])
def test_a_line_that_does_not_fit_is_not_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    path = tmp_path / "metrics.jsonl"
    if before:
        append(path, before)
    opened = Path.open

    def full(self: Path, mode: str) -> object:
        file = opened(self, mode)
        write = file.write

        def half(line: bytes) -> None:
            write(line[: len(line) // 2])
            file.flush()
            failing(errno.ENOSPC)()

        monkeypatch.setattr(file, "write", half, raising=False)
        return file

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        append(path, '{"a": 2}\n')
    monkeypatch.undo()
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("written", "said"),
    [(b"{", "it isn't JSON"), (b"\xff", "it isn't JSON"), (b"[1]", "it should hold a JSON object"), (None, "missing")],
)
def test_what_is_no_json_object_is_said(tmp_path: Path, written: bytes | None, said: str) -> None:
    path = tmp_path / "a.json"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(InputError, match=said):
        load_json(path)


def test_a_sealed_directory_is_verified_file_by_file(tmp_path: Path) -> None:
    assert not is_sealed(tmp_path)
    save_json(tmp_path / "a.json", {"a": 1})
    save_text(tmp_path / "b", "b")
    with pytest.raises(InputError, match=rf"{DIGESTS} is missing"):
        verify(tmp_path)
    seal(tmp_path)
    assert is_sealed(tmp_path)
    assert load_json(tmp_path / DIGESTS) == {name: digest(tmp_path / name) for name in ("a.json", "b")}
    verify(tmp_path)
    save_text(tmp_path / "b", "c")
    with pytest.raises(InputError, match=r"b is damaged.*its digest differs"):
        verify(tmp_path)
    (tmp_path / "b").unlink()
    with pytest.raises(InputError, match="b is missing"):
        verify(tmp_path)
    save_text(tmp_path / "b", "b")
    save_text(tmp_path / DIGESTS, (tmp_path / DIGESTS).read_text() + " ")
    with pytest.raises(InputError, match=rf"{DIGESTS} is damaged"):
        verify(tmp_path)


def test_digests_are_written_as_earlier_versions_wrote_them(tmp_path: Path) -> None:
    """Otherwise their checkpoints would count as damaged."""
    (tmp_path / DIGESTS).write_text('{\n  "b": "' + digest(b"b") + '"\n}\n')
    (tmp_path / "b").write_text("b")
    verify(tmp_path)


def test_a_digest_is_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert digest(tmp_path / "abc").startswith("ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1")
