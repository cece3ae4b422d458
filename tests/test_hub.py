"""Models to the hub and back, against a server on this machine, and the cards that go with them."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard, ModelCardData, constants, file_download
from PIL import Image

from glowflow import Glow, GlowConfig, InputError
from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.durable import verify
from glowflow.training import train
from glowflow.weights import REFERENCE
from tests.helpers import randomize, sentence
from tests.local_hub import TOKEN, Page, running

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own

Hub = tuple[str, dict[str, Page]]
MODEL = ["config.json", "model.safetensors"]
CARD = ["README.md", "samples.png"]


@pytest.fixture(name="hub")
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as (address, pages):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        for module in (constants, file_download):  # old releases of huggingface_hub copy it into the second
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.chdir(tmp_path)
        yield address, pages


def model(num_classes: int = 0) -> Glow:
    torch.manual_seed(0)
    config = GlowConfig((3, 8, 8), steps=1, width=8, num_bits=5, num_classes=num_classes)
    return randomize(Glow(config, ["cat", "cow"] if num_classes else None), 0.05)


def test_a_run_goes_there_and_comes_back_the_same(config: RunConfig, tmp_path: Path) -> None:
    """By the command line alone, in processes that know the hub by its variables of the environment."""
    run = tmp_path / "run"
    train(config, run)
    with running() as (address, pages):
        hub = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}

        def glowflow(*words: str) -> str:
            command = [sys.executable, "-m", "glowflow", *words]
            return subprocess.run(
                command, env=os.environ | hub, cwd=tmp_path, check=True, capture_output=True, text=True
            ).stdout

        said = glowflow("push", "run", "ada/noise", "--license", "mit")
        files = pages["ada/noise"].files
        assert f"{address}/ada/noise" in said
        assert sorted(files.keys() - {".gitattributes"}) == sorted([*CARD, *MODEL, "images.json"])
        assert files["model.safetensors"] == (run / "best" / "model.safetensors").read_bytes()
        glowflow("sample", "ada/noise", "--out", "there.png")
    assert main(["sample", str(run), "--out", str(tmp_path / "here.png")]) == 0
    assert (tmp_path / "there.png").read_bytes() == (tmp_path / "here.png").read_bytes()


def test_a_model_goes_there_and_comes_back_the_same(hub: Hub) -> None:
    address, pages = hub
    original = model(num_classes=2)
    assert original.push_to_hub("ada/animals", private=True) == f"{address}/ada/animals"
    assert pages["ada/animals"].private
    found = Glow.from_pretrained("ada/animals")
    torch.testing.assert_close(found.state_dict(), original.state_dict(), rtol=0, atol=0)
    assert (found.config, found.class_names) == (original.config, original.class_names)
    with Image.open(io.BytesIO(pages["ada/animals"].files["samples.png"])) as picture:
        assert picture.width > picture.height > 100  # two rows of eight


def test_the_code_on_a_card_runs(hub: Hub) -> None:
    _, pages = hub
    model(num_classes=2).push_to_hub("ada/animals")
    card = pages["ada/animals"].files["README.md"].decode()
    names: dict[str, object] = {}
    exec(card.split("```python\n")[1].split("```")[0], names)  # noqa: S102 (our own)
    assert isinstance(names["images"], torch.Tensor)
    assert names["images"].shape == (16, 3, 8, 8)
    command = card.split("```\nglowflow ")[1].split("\n")[0]
    assert main(command.split()) == 0


def test_a_calibration_goes_along(hub: Hub, config: RunConfig, tmp_path: Path) -> None:
    _, pages = hub
    train(config, tmp_path / "run")
    np.save("usual.npy", np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), dtype=np.uint8))
    assert main(["calibrate", "run", "--data", "usual.npy"]) == 0
    assert main(["push", "run", "ada/noise"]) == 0
    assert pages["ada/noise"].files[REFERENCE] == (tmp_path / "run" / REFERENCE).read_bytes()


def test_a_card_tells_what_is_known(hub: Hub, config: RunConfig, tmp_path: Path) -> None:
    _, pages = hub
    train(config, tmp_path / "run")
    assert main(["evaluate", "run", "--json", "test.json"]) == 0
    assert main(["push", "run", "ada/noise", "--license", "mit", "--results", "test.json"]) == 0
    card = ModelCard(pages["ada/noise"].files["README.md"].decode())
    best = json.loads((tmp_path / "run" / "best" / "provenance.json").read_text())
    test = json.loads((tmp_path / "test.json").read_text())
    assert isinstance(card.data, ModelCardData)
    assert (card.data.license, card.data.library_name) == ("mit", "glowflow")
    assert {"normalizing-flow", "glow"} <= set(card.data.tags or ())
    results = {entry.dataset_split: entry.metric_value for entry in card.data.eval_results or ()}
    assert results == {
        "validation": round(best["validation"]["bits_per_dim"], 4),
        "test": round(test["bits_per_dim"], 4),
    }
    parameters = sum(parameter.numel() for parameter in Glow.from_pretrained("run").parameters())
    for row in (
        f"| images.npz, test | {test['num_images']} | {test['bits_per_dim']:.4f} | {test['standard_error']:.4f} |",
        f"| images.npz, validation | {best['validation']['num_images']} | {best['validation']['bits_per_dim']:.4f} |",
        f"| parameters | {parameters:,} |",
        f"| images seen, repetitions included | {best['images']} |",
        "| precision of the networks | float32 |",
        "| image size | 8x8 pixels and 1 channel |",
        "licence `mit`",
    ):
        assert row in card.text


def test_a_card_lists_every_part_with_its_options(tmp_path: Path) -> None:
    conditioners = ("conv", {"kind": "residual", "blocks": 1})
    config = GlowConfig((3, 8, 8), 2, (1, 2), 8, conditioner=conditioners, layout={"kind": "glow", "logit": True})
    Glow(config).save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for row in (
        "| steps of flow in each level | 1,2 |",
        "| coupling | affine |",
        "| permutation | conv1x1 |",
        "| conditioner | conv (last 3), residual (blocks 1) |",
        "| layout | glow (logit true, margin 0.05) |",
        "| dequantizer | uniform |",
    ):
        assert row in card
    assert "--plugins" not in card


def test_no_licence_is_made_up(tmp_path: Path) -> None:
    model().save_pretrained(tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.license is None
    assert "No licence was given for this model." in card.text


def test_a_card_for_an_older_model_is_written_on_the_way(hub: Hub, tmp_path: Path) -> None:
    _, pages = hub
    model().save_pretrained(tmp_path / "older")
    (tmp_path / "older" / "README.md").unlink()
    before = sorted(path.name for path in (tmp_path / "older").iterdir())
    assert main(["push", "older", "ada/older"]) == 0
    assert pages["ada/older"].files["README.md"].startswith(b"---\nlibrary_name: glowflow")
    assert sorted(path.name for path in (tmp_path / "older").iterdir()) == before


def test_a_card_of_ones_own_is_kept(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, pages = hub
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("My text.\n")
    model().save_pretrained(tmp_path / "mine")
    assert (tmp_path / "mine" / "README.md").read_text() == "My text.\n"
    assert main(["push", "mine", "ada/mine"]) == 0
    assert pages["ada/mine"].files["README.md"] == b"My text.\n"
    model().save_pretrained("other")
    assert main(["push", "other", "ada/mine"]) == 0
    assert pages["ada/mine"].files["README.md"] == b"My text.\n"  # as one edits it on the hub
    assert "write the licence there" in sentence(capsys, "push", "mine", "ada/mine", "--license", "mit")


def test_a_card_may_be_edited_in_a_run(config: RunConfig, tmp_path: Path) -> None:
    train(replace(config, train=replace(config.train, images=160)), tmp_path / "run")
    (tmp_path / "run" / "best" / "README.md").write_text("My text.\n")
    verify(tmp_path / "run" / "best")
    Glow.from_pretrained(tmp_path / "run")


def test_a_model_replaces_another(hub: Hub) -> None:
    _, pages = hub
    model().push_to_hub("ada/mine")
    pages["ada/mine"].files |= {"directions.json": b"of the other", "notes.txt": b"kept"}
    model(num_classes=2).push_to_hub("ada/mine")
    assert sorted(pages["ada/mine"].files) == sorted([".gitattributes", *CARD, *MODEL, "notes.txt"])
    assert pages["ada/mine"].commits == 2
    assert Glow.from_pretrained("ada/mine").class_names == ["cat", "cow"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("model faces", r"faces is no name on the hub: it takes OWNER/NAME"),
        ("model bob/faces", r"Your token may not write to bob/faces: "),
        ("model ada/faces --license nonsense", r"The hub refuses ada/faces \(.*\"license\" must be one of"),
        ("nothing ada/faces", r"No model in nothing"),
        ("model ada/faces --results model/config.json", r"holds no result as glowflow evaluate --json writes it\.$"),
        ("model ada/faces --results other.json", r"other\.json is the result of another model"),
        ("model ada/public --private", r"ada/public is public already"),
    ],
)
def test_what_cannot_be_pushed(hub: Hub, capsys: pytest.CaptureFixture[str], words: str, expected: str) -> None:
    _, pages = hub
    pages["ada/public"] = Page()
    model().save_pretrained("model")
    other = {"data": "x", "split": "test", "bits_per_dim": 1.0, "standard_error": None, "num_images": 1}
    Path("other.json").write_text(json.dumps(other | {"image_shape": [3, 16, 16], "num_bits": 5}))
    assert re.search(expected, sentence(capsys, "push", *words.split()))
    assert not any(page.commits for page in pages.values())


def test_a_token_is_needed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "nowhere")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match=r"^There is no token for the hub: run hf auth login, or set HF_TOKEN"):
        model().push_to_hub("ada/faces")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    with pytest.raises(InputError, match=r"^The hub doesn't know your token"):
        model().push_to_hub("ada/faces")


def test_a_network_is_needed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(InputError, match=r"^The hub can't be reached \(.+\): check the network and try again\.$"):
        model().push_to_hub("ada/faces")


def test_the_extra_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        InputError,
        match=r"^Pushing a model to the hub needs huggingface_hub, .* pip install -e '\.\[hub\]'",
    ):
        model().push_to_hub("ada/faces")


def test_a_card_is_written_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    model().save_pretrained(tmp_path)
    front = (tmp_path / "README.md").read_text().split("---\n")[1]
    assert yaml.safe_load(front)["pipeline_tag"] == "unconditional-image-generation"
