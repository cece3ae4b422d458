"""Paths as people type them: with home directories or without any, with names that a shell must quote, or misspelt."""

import json
import pwd
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from glowflow import InputError
from glowflow.cli import main
from glowflow.data import cache_directory
from glowflow.experiments import definition
from glowflow.presets import load_run
from glowflow.weights import find
from tests.helpers import sentence


@pytest.fixture(name="own")
def _own(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with a copy of everything."""
    own = tmp_path / "own"
    shutil.copytree(home, own)
    monkeypatch.setenv("HOME", str(own))
    return own


def test_the_home_directory_in_every_path(own: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = (own / "tiny.yaml").read_text()
    (own / "tiny.yaml").write_text(json.dumps(json.loads(preset) | {"train": {"data": "~/pictures", "images": 16}}))
    assert main(["train", "~/tiny.yaml", "--out=~/runs/a", "--from=~/run"]) == 0
    settings = load_run(str(own / "runs" / "a" / "config.yaml")).train
    assert (settings.data, settings.start) == (str(own / "pictures"), str(own / "run"))
    assert main(["evaluate", "~/runs/a", "--data=~/pictures", "--json=~/a.json"]) == 0
    assert main(["score", "~/run", "--out=~/a.csv"]) == 0
    assert main(["reconstruct", "~/run", "~/pictures/dark/0.png", "--out=~/a.png"]) == 0
    assert main(["data", "show", "~/pictures", "--image_shape", "[3, 8, 8]", "--out=~/b.png"]) == 0
    assert {"a.json", "a.csv", "a.png", "b.png"} <= {path.name for path in own.iterdir()}
    assert not Path("~").exists()
    assert "No model in " in sentence(capsys, "sample", "~/absent")


def test_the_home_directory_in_files_and_variables(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{about: a, claim: b, source: c, presets: {~/tiny.yaml: 64}, figure: final, variations: {x: {}}}"
    Path("e.yaml").write_text(text)
    assert len(definition.load("e.yaml").trainings()) == 1
    assert find("~/run") == own / "run" / "best"
    monkeypatch.setenv("GLOWFLOW_CACHE", "~/cache")
    assert cache_directory() == own / "cache"
    monkeypatch.delenv("GLOWFLOW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/xdg")
    assert cache_directory() == own / "xdg" / "glowflow"


def test_a_file_that_is_called_so(own: Path, home: Path) -> None:
    shutil.copytree("pictures", "~/pictures")
    (home / "pictures" / "dark" / "0.png").rename("~x.png")
    assert main(["score", "run", "--data", "./~/pictures", "--out", "./~/a.csv"]) == 0
    assert (home / "~" / "a.csv").is_file()
    assert main(["reconstruct", "run", "~x.png"]) == 0  # as the shell makes it of *.png


@pytest.mark.parametrize(
    "arguments",
    [
        "evaluate ~nosuchuser/x",
        "evaluate run --data ~nosuchuser/x",
        "train tiny.yaml --out ~nosuchuser/x",
        "train tiny.yaml --train.data ~nosuchuser/x",
        "reconstruct run ~nosuchuser/x.png",
        "train ~nosuchuser/x.yaml",
    ],
)
def test_nobodys_home_directory(home: Path, capsys: pytest.CaptureFixture[str], arguments: str) -> None:
    assert "there is no home directory ~nosuchuser" in sentence(capsys, *arguments.split())


@pytest.fixture(name="homeless")
def _homeless(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This happens in a container that runs as a user whom its system doesn't know."""

    def unknown(_: object) -> None:
        raise KeyError("uid not found")

    for name in ("HOME", "GLOWFLOW_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_directory(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["data", "list"]) == 0
    assert main(["sample", "run", "--num", "1"]) == 0
    assert main(["reconstruct", "run", "pictures/dark/0.png"]) == 0
    line = sentence(capsys, "evaluate", "run", "--data", "pictures")
    assert "name another directory in the environment variable GLOWFLOW_CACHE" in line
    monkeypatch.setenv("GLOWFLOW_CACHE", "~nosuchuser/cache")
    line = sentence(capsys, "evaluate", "run", "--data", "pictures")
    assert "can't be kept in ~nosuchuser/cache" in line
    assert main(["data", "list"]) == 0
    monkeypatch.setenv("GLOWFLOW_CACHE", "cache")
    assert main(["evaluate", "run", "--data", "pictures"]) == 0


def test_suggested_commands_can_be_pasted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "my ~ 'pictures'").symlink_to("pictures")
    for out in ("./~ $HOME", "-mine; 'too'", "a&b"):
        assert main(["train", "tiny.yaml", f"--out={out}", "--data=my ~ 'pictures'"]) == 0
        _, _, next_line = capsys.readouterr().err.partition("Next: ")
        for command in next_line.split("; glowflow "):
            words = shlex.split(command.removeprefix("glowflow "))
            assert main(words) == 0
        said = sentence(
            capsys, "edit", str(Path(out)) if out[0] not in ".-" else f"./{Path(out)}", "a.png", "--by.x", "1"
        )
        assert "glowflow attributes" in said


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("runs/tpyo", "runs/typo"),
        ("./runs/tpyo", "runs/typo"),
        ("faecs", "faces"),
        ("./faces", "faces"),
        ("rnu", "run"),
    ],
)
def test_a_misspelt_model(home: Path, capsys: pytest.CaptureFixture[str], model: str, meant: str) -> None:
    shutil.copytree("run", "runs/typo")
    line = sentence(capsys, "evaluate", model, "--data", "pictures")
    assert line == f"glowflow: No model in {model}: perhaps {meant} is meant."


def test_a_model_that_is_called_otherwise_is_not_suggested(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("run", "oom")
    assert "oom" not in sentence(capsys, "evaluate", "./foo")


@pytest.mark.parametrize("model", ["./x", "/x", "../x", "x/", "a/b/c", "pictures/x", ".hidden/x", "x//y", "~/x"])
def test_paths_are_not_asked_for_on_the_hub(home: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # what is asked for there is said to need it
    with pytest.raises(InputError, match="There is no directory owner/name, and loading it from the hub needs"):
        find("owner/name")
    with pytest.raises(InputError, match="No model in"):
        find(model)


def test_a_bundled_model_with_a_slash() -> None:
    assert find("faces/") == find("faces")
