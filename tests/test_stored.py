"""A stored model is opened once by each command, whatever the command needs of it."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from glowflow import Glow, InputError
from glowflow.cli import main
from glowflow.stored import StoredModel
from glowflow.weights import BUNDLED

IMAGE = "pictures/dark/0.png"
COMMANDS = {
    "evaluate": ["run"],
    "score": ["run"],
    "sample": ["run", "--num", "2"],
    "reconstruct": ["run", IMAGE],
    "vary": ["run", IMAGE],
    "interpolate": ["run", IMAGE, "pictures/dark/2.png"],
    "edit": ["run", IMAGE, "--by.bright", "1"],
    "encode": ["run", IMAGE],
    "decode": ["run", "latents.safetensors"],
    "demo": ["run", "--port", "0"],
}
WATCHED = """
import json, sys
from pathlib import Path
from glowflow.cli import main
from glowflow.demo import serving
serving.serve = lambda *_: None  # the page is ready then
opened = []
sys.addaudithook(lambda event, given: opened.append(Path(str(given[0])).name) if event == "open" else None)
found = {}
for name, arguments in json.loads(sys.argv[1]).items():
    opened.clear()
    assert main([name, *arguments]) == 0, name
    found[name] = list(opened)
Path("opened.json").write_text(json.dumps(found))
"""


@pytest.mark.usefixtures("home")
def test_each_command_opens_what_describes_a_model_once() -> None:
    pytest.importorskip("starlette")
    assert main(["attributes", "run"]) == 0
    command = [sys.executable, "-c", WATCHED, json.dumps(COMMANDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    found = {name: Counter(opened) for name, opened in json.loads(Path("opened.json").read_text()).items()}
    assert {name: opened["config.json"] for name, opened in found.items()} == dict.fromkeys(COMMANDS, 1)
    assert {name: opened["directions.json"] for name, opened in found.items() if opened["directions.json"]} == {
        "edit": 1,
        "demo": 1,
    }


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", ["evaluate our/model --data pictures", f"reconstruct our/model {IMAGE}"])
def test_a_model_of_the_hub_is_asked_for_once(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked: list[str] = []

    def download(name: str, **_: object) -> Path:
        asked.append(name)
        return Path("run", "best")

    monkeypatch.setattr(hub, "snapshot_download", download)
    assert main(command.split()) == 0
    assert asked == ["our/model"]


def test_what_is_stored_beside_the_weights() -> None:
    faces = StoredModel.open("faces")
    assert StoredModel.open(faces) is faces
    assert faces.directory == faces.home == BUNDLED / "faces"
    assert not faces.has_raw
    assert not faces.value_ranges
    assert faces.usual["bits_per_dim"]["50%"] < faces.usual["bits_per_dim"]["99%"]
    assert Glow.from_pretrained(faces).config == faces.config


@pytest.mark.usefixtures("home")
def test_a_model_that_was_read_before_it_was_damaged_is_refused() -> None:
    stored = StoredModel.open("run")
    assert stored.kind == "averaged"
    (stored.directory / "raw.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"raw\.safetensors is damaged"):
        Glow.from_pretrained(stored)
