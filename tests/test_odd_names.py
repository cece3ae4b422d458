"""Results are written even with names of any bytes, and to terminals that lack characters."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from glowflow import Glow, GlowConfig
from glowflow.cli import main
from glowflow.demo.server import application
from glowflow.durable import load_json, save_json, save_text
from tests.helpers import sentence

LATIN = "caf\udce9"
"""A name in Latin-1, as Python has it where names are in UTF-8."""


@pytest.fixture(name="odd")
def _odd(home: Path) -> Path:
    """Pictures in folders of odd names."""
    try:
        shutil.copytree("pictures/dark", f"odd/{LATIN}")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    shutil.copytree("pictures/bright", "odd/naïve [red] :smile:")
    return home / "odd"


def rows(path: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_scores_have_the_names_as_they_are(odd: Path) -> None:
    assert main(["score", "run", "--data", "odd", "--out", "odd.csv"]) == 0
    assert {row["label"] for row in rows("odd.csv")} == {LATIN, "naïve [red] :smile:"}
    assert all(Path("odd", row["image"]).is_file() for row in rows("odd.csv"))
    assert b"caf\xe9/0.png" in Path("odd.csv").read_bytes()


def test_everything_about_a_model_of_an_odd_name(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = f"odd/{LATIN}/0.png"
    out = f"run {LATIN}"
    assert main(["train", "tiny.yaml", "--data", "odd", "--out", out, "--model.num_classes", "2"]) == 0
    more = ("--train.images", "160")
    assert main(["train", "tiny.yaml", "--data", "odd", "--out", out, "--model.num_classes", "2", *more]) == 0
    label = ("--label", LATIN)
    assert main(["evaluate", out, "--json", f"{LATIN}.json"]) == 0
    assert load_json(Path(f"{LATIN}.json"))["model"] == out
    assert main(["sample", out, "--num", "1", *label, "--out", f"{LATIN}.png"]) == 0
    assert main(["encode", out, picture, *label, "--out", f"{LATIN}.safetensors"]) == 0
    assert main(["decode", out, f"{LATIN}.safetensors", *label, "--out", f"{LATIN}.webp"]) == 0
    assert main(["attributes", out]) == 0
    assert main(["edit", out, picture, *label, f"--by.{LATIN}", "1", "--out", f"{LATIN}.mp4"]) == 0
    for ending in ("json", "png", "safetensors", "webp", "mp4"):
        assert Path(f"{LATIN}.{ending}").stat().st_size > 0
    assert "the model's classes are caf" in sentence(capsys, "sample", out, "--label", "cafe")


def test_the_page_shows_a_model_of_odd_names(home: Path) -> None:
    glow = Glow(GlowConfig((3, 8, 8), steps=1, width=8, num_classes=2), [LATIN, "naïve"])
    app = application(glow.freeze(), LATIN)
    with TestClient(app, base_url="http://testserver") as client:
        assert client.get("/api/model").json()["class_names"] == [LATIN, "naïve"]


@pytest.mark.parametrize(
    "arguments",
    ["data show odd --image_shape [3,8,8] --num 4", "data prepare odd --image_shape [3,8,8]", "sample absent-é"],
)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_lacks_characters(
    odd: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, arguments: str
) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(arguments.split()) == (2 if "absent" in arguments else 0)
    for stream in (out, err):
        stream.flush()
    text = (out.buffer.getvalue() + err.buffer.getvalue()).decode(encoding)
    if "show" in arguments:
        assert f"na{'ï' if encoding != 'ascii' else chr(92) + 'xef'}ve [red] :smile: " in text
        assert "caf\\udce9 " in text


def test_tables_are_drawn_in_the_characters_of_the_terminal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["presets"]) == 0
    assert b"\\u2" not in out.buffer.getvalue()


def test_files_are_in_utf_8_in_any_locale(odd: Path) -> None:
    assert main(["score", "run", "--data", "odd", "--out", "here.csv"]) == 0
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "glowflow", "score", "run", "--data", "odd", "--out", "there.csv"]
    subprocess.run(command, check=True, env=os.environ | bare)
    assert Path("there.csv").read_bytes() == Path("here.csv").read_bytes()
    save_text(Path("text"), f"± {LATIN}")
    assert Path("text").read_bytes() == b"\xc2\xb1 caf\xe9"
    save_json(Path("json"), {"name": LATIN})
    assert json.loads(Path("json").read_bytes()) == {"name": LATIN}


def test_a_preset_that_is_not_text(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_bytes(b"model: {image_shape: [3, 8, 8]} # caf\xe9")
    assert "mine.yaml can't be read: it isn't text in UTF-8." in sentence(capsys, "train", "mine.yaml")
    Path("mine.yaml").write_bytes("\ufeffmodel: {image_shape: [3, 8, 7]} # é".encode())
    assert "An image of 8x7 can't be squeezed" in sentence(capsys, "train", "mine.yaml")
