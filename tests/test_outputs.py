"""Outputs go through links, and into pipes, devices and open files, none of which are replaced."""

import csv
import io
import json
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image

from glowflow import Glow
from glowflow.cli import main
from glowflow.durable import replacing_directory, save_json, save_text
from glowflow.importers import y0ast
from tests.helpers import sentence

PICTURE = "pictures/dark/0.png"
WRITERS = {
    "scores.csv": "score run --out",
    "result.json": "evaluate run --json",
    "samples.png": "sample run --num 1 --out",
    "between.webp": f"interpolate run {PICTURE} {PICTURE} --num 2 --out",
    "latents.safetensors": f"encode run {PICTURE} --out",
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("begun", [True, False], ids=["a file", "nothing yet"])
def test_a_link_stays_and_its_target_is_written(home: Path, name: str, begun: bool) -> None:  # noqa: FBT001
    target, link = home / "elsewhere" / name, home / name
    target.parent.mkdir()
    if begun:
        target.write_text("old")
        target.chmod(0o640)
    link.symlink_to(Path("elsewhere") / name)
    assert main([*WRITERS[name].split(), name]) == 0
    assert link.is_symlink()
    assert target.read_bytes() not in {b"old", b""}
    assert os.listdir(target.parent) == [name]
    if begun:
        assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_links_that_lead_nowhere(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "there.csv").symlink_to("back.csv")
    (home / "back.csv").symlink_to("there.csv")
    (home / "lost.csv").symlink_to("no-folder/lost.csv")
    assert "there.csv leads nowhere: it is a link that leads back" in sentence(
        capsys, "score", "run", "--out", "there.csv"
    )
    assert "leads nowhere" in sentence(capsys, "train", "tiny.yaml", "--out", "there.csv", "--precision", "float32")
    assert "leads nowhere" in sentence(capsys, "import", "y0ast", "a.pt", "there.csv")
    assert "there is no folder no-folder" in sentence(capsys, "score", "run", "--out", "lost.csv")
    assert (home / "there.csv").is_symlink()


def test_a_pipe_stays_a_pipe(home: Path) -> None:
    os.mkfifo("pipe.png")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((home / "pipe.png").read_bytes()))
    reader.start()
    assert main(["sample", "run", "--num", "4", "--enlarge", "1", "--out", "pipe.png"]) == 0
    reader.join()
    assert stat.S_ISFIFO((home / "pipe.png").stat().st_mode)
    with Image.open(io.BytesIO(found[0])) as picture:
        assert picture.size == (18, 18)


def test_a_device_stays_a_device(home: Path) -> None:
    device = home / "null"  # a private one: what fails here must not harm the system's
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.read_bytes()
    except PermissionError:
        pytest.skip("devices can't be made here")
    assert main(["score", "run", "--out", "null"]) == 0
    assert stat.S_ISCHR(device.stat().st_mode)


@pytest.mark.parametrize("place", ["/dev/fd/1", "link"])
def test_standard_output_has_the_result_and_nothing_else(
    home: Path, capfd: pytest.CaptureFixture[str], place: str
) -> None:
    (home / "link").symlink_to("/dev/fd/1")
    assert main(["evaluate", "run", "--json", place]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["num_images"] == 7
    assert "7 of pictures, test split" in captured.err
    assert main(["score", "run", "--split", "all", "--out", place]) == 0
    captured = capfd.readouterr()
    assert len(list(csv.DictReader(captured.out.splitlines()))) == 60
    assert "60 images scored" in captured.err
    assert (home / "link").is_symlink()


def test_an_open_file_is_written_from_where_it_stands(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (home / "log").open("a") as log:
        log.write("before\n")
        log.flush()
        save_text(Path(f"/dev/fd/{log.fileno()}"), "result\n")
        log.write("after\n")
        number = log.fileno()
    assert (home / "log").read_text() == "before\nresult\nafter\n"
    assert f"no file is open as number {number}" in sentence(capsys, "score", "run", "--out", f"/dev/fd/{number}")
    assert "a picture's name ends in .png" in sentence(capsys, "sample", "run", "--out", "/dev/fd/1")


def test_what_cannot_be_written_is_told_before_the_work(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert "socket can't be written: it is a socket." in sentence(capsys, "score", "run", "--out", "socket")
    assert "pictures can't be written: it is a folder." in sentence(capsys, "score", "run", "--out", "pictures")
    with pytest.MonkeyPatch.context() as patch:  # root may write anything
        patch.setattr(os, "access", lambda *_: False)
        assert "there can't be written: it is write-protected." in sentence(capsys, "score", "run", "--out", "there")
        assert f"the folder {home} can't be written to" in sentence(capsys, "score", "run", "--out", str(home / "new"))


@pytest.fixture(autouse=True)
def _there(home: Path) -> None:
    (home / "there").write_text("old")


def test_the_longest_names(home: Path) -> None:
    name = "x" * 250 + ".csv"
    assert main(["score", "run", "--split", "all", "--out", name]) == 0
    assert (home / name).stat().st_size > 1000
    long = home / ("é" * 120)
    with replacing_directory(long) as partial:
        save_json(partial / "a.json", {})
    assert (long / "a.json").exists()


def test_a_run_behind_a_link(home: Path) -> None:
    (home / "disk").mkdir()
    (home / "mine").symlink_to("disk/run")  # isn't there yet
    assert main(["train", "tiny.yaml", "--out", "mine"]) == 0
    assert main(["train", "tiny.yaml", "--out", "mine", "--train.images", "256"]) == 0
    assert (home / "mine").is_symlink()
    assert json.loads((home / "disk" / "run" / "last" / "training.json").read_text())["position"] == 256


def test_a_model_behind_a_link(home: Path) -> None:
    (home / "disk").mkdir()
    (home / "mine").symlink_to("disk/model")
    Glow.from_pretrained("run").save_pretrained("mine")
    (home / "other").symlink_to("disk/other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(y0ast, "to_glow", lambda *_: Glow.from_pretrained("run"))
        torch.save({"a": torch.zeros(1)}, "a.pt")
        assert main(["import", "y0ast", "a.pt", "other"]) == 0
    for name in ("mine", "other"):
        assert (home / name).is_symlink()
        Glow.from_pretrained(name)


def test_a_checkpoint_behind_a_link_does_not_stop_those_that_follow(home: Path) -> None:
    (home / "run" / "last").rename(home / "moved")
    (home / "run" / "last").symlink_to(home / "moved")
    for images in ("256", "384"):
        assert main(["train", "tiny.yaml", "--out", "run", "--train.images", images]) == 0
    assert json.loads((home / "run" / "last" / "training.json").read_text())["position"] == 384
    assert json.loads((home / "run" / "previous" / "training.json").read_text())["position"] == 320
