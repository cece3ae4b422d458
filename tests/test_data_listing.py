"""The images that are found in a folder with links, folders of systems, and unreadable files."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from glowflow.data import SPLITS, prepare
from glowflow.data.listing import Listing, listing
from glowflow.errors import InputError


def save(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)


def link(path: Path, target: Path | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("this file system has no links")


def told(found: Listing) -> str:
    return "\n".join(found.left_out())


def test_folders_that_systems_make_hold_no_images(tmp_path: Path) -> None:
    save(tmp_path / "cats" / "0.png", tmp_path / "dogs" / "0.png", tmp_path / "dogs" / "._0.png")
    save(tmp_path / "@eaDir" / "0.png" / "SYNOPHOTO_THUMB_XL.png", tmp_path / "cats" / "@eaDir" / "T.png")
    hidden = (".thumbnails", ".AppleDouble")
    systems = ("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "#recycle", "@Recycle", "lost+found")
    save(*(tmp_path / folder / "0.png" for folder in (*systems, *hidden)))
    found = listing(tmp_path)
    assert found.files == ["cats/0.png", "dogs/0.png"]
    assert "folders that systems make" in told(found)
    assert "@eaDir" in told(found)


def test_every_link_to_a_folder_is_followed_whatever_the_order(tmp_path: Path) -> None:
    save(*(tmp_path / "store" / kind / f"{number}.png" for kind in "ab" for number in range(4)))
    for split in ("train", "test"):
        for kind in "ab":
            link(tmp_path / "links" / split / kind, tmp_path / "store" / kind)
    splits = prepare(tmp_path / "links", (1, 8, 8), tmp_path / "cache")
    assert len(splits["train"]) + len(splits["validation"]) == 8
    assert [splits["test"].describe(row) for row in range(8)] == [f"test/{k}/{n}.png" for k in "ab" for n in range(4)]
    assert splits["train"].class_names == ("a", "b")


def test_links_that_lead_back_are_cut_and_reported(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a" / "0.png", tmp_path / "out" / "b" / "0.png")
    link(tmp_path / "in" / "a" / "self", tmp_path / "in" / "a")
    link(tmp_path / "in" / "a" / "top", tmp_path / "in")
    link(tmp_path / "in" / "a" / "higher", tmp_path)
    link(tmp_path / "in" / "b", tmp_path / "out" / "b")
    link(tmp_path / "out" / "b" / "back", tmp_path / "in")
    link(tmp_path / "in" / "a" / "loop", "loop")
    found = listing(tmp_path / "in")
    assert found.files == ["a/0.png", "b/0.png"]
    assert "a/higher, a/self, a/top, b/back (links that lead back" in told(found)


def test_links_beside_each_other_end_in_time(tmp_path: Path) -> None:
    for number in range(40):  # 2^40 paths
        for name in "xy":
            link(tmp_path / str(number) / name, tmp_path / str(number + 1))
    save(tmp_path / "40" / "0.png")
    found = listing(tmp_path)
    assert "40/0.png" in found.files
    assert "39/x/0.png" in found.files
    assert "paths" in told(found)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pictures"
    save(*(folder / f"{number}.png" for number in range(4)))
    os.mkfifo(folder / "pipe.png")
    link(folder / "link.png", folder / "pipe.png")
    link(folder / "null.jpg", "/dev/null")
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind(os.path.relpath(folder / "socket.png"))
        splits = prepare(folder, (1, 8, 8), tmp_path / "cache")
    assert sum(len(splits[split]) for split in SPLITS) == 4
    assert "link.png, null.jpg, pipe.png, socket.png (not regular files)" in capsys.readouterr().err


def refuse(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make folders with these names unreadable, even for root."""
    scandir: Callable[[str], Any] = os.scandir

    def refusing(path: str) -> Any:  # noqa: ANN401
        if os.path.basename(os.path.normpath(path)) in names:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


def test_a_folder_that_cannot_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    save(*(folder / kind / f"{number}.png" for kind in ("cats", "dogs", "private") for number in range(4)))
    refuse(monkeypatch, "private")
    assert prepare(folder, (1, 8, 8), tmp_path / "cache")["train"].class_names == ("cats", "dogs")
    assert "private (folders that can't be read: Permission denied)" in capsys.readouterr().err


def test_folders_none_of_which_can_be_read_are_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "pictures" / "cats" / "0.png", tmp_path / "pictures" / "dogs" / "0.png")
    refuse(monkeypatch, "cats", "dogs")
    with pytest.raises(InputError, match=r"no images that can be read; left out: cats, dogs .*Permission denied"):
        prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    refuse(monkeypatch, "pictures")
    with pytest.raises(InputError, match=r"left out: the folder itself .*Permission denied"):
        prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
