"""The gallery's commands, run one after the other with small models, and the pictures that the page shows."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from glowflow import weights
from glowflow.cli import main
from glowflow.data import look_at
from glowflow.experiments import emoji
from glowflow.latents import directions_of
from tests.helpers import lay_out_faces
from tests.test_tutorial import SHORTER
from tools import gallery, smileys

TEXT = gallery.PAGE.read_text(encoding="utf-8")
MOST_BYTES = 600_000
needs_font = pytest.mark.skipif(not emoji.FONT.is_file(), reason="the font isn't installed")


@needs_font
def test_every_command_of_the_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out_faces(tmp_path / "models" / "faces", directions_of("faces").names)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("glowflow.weights.BUNDLED", tmp_path / "models")
    monkeypatch.setattr(smileys, "NUM_PICTURES", {"train": 40, "test": 5})
    for option, *words in gallery.steps(TEXT):
        if option == "-c":
            subprocess.run([sys.executable, option, *words], check=True)
        elif words[0] == "glowflow":
            assert main([*words[1:], *(SHORTER if words[1] == "train" else [])]) == 0, words
        else:
            assert words[0] == "tools.smileys"
            smileys.main(Path(words[1]))
    assert all(Path(name).is_file() for name in gallery.shown(TEXT))


def test_the_commands_of_a_page() -> None:
    first = "```\nglowflow a \\\n  b  # why\n\napt-get c\n```\n```python\nd()\n```\n"
    parts = gallery.parts_of(f"# Top\n```\npython -m all\n```\n## A\n{first}## B\n")
    assert list(parts) == ["A", "B"]
    assert list(gallery.steps(parts["A"])) == [["-m", "glowflow", "a", "b"], ["-c", "d()\n"]]


def test_the_faces_are_of_the_data_that_the_bundled_model_knows() -> None:
    config = yaml.safe_load((weights.BUNDLED / "faces" / "config.yaml").read_text())
    found = re.findall(r'at_hand\("(\w+)", \((\d+), (\d+), (\d+)\)', TEXT)
    assert found == [(config["train"]["data"], *map(str, config["model"]["image_shape"]))]


@pytest.mark.skipif(not gallery.PICTURES.is_dir(), reason="this copy has no pictures")
def test_the_pictures_are_those_that_the_page_shows_and_small() -> None:
    pictures = list(gallery.PICTURES.iterdir())
    assert sorted(path.name for path in pictures) == sorted(gallery.shown(TEXT))
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES


@needs_font
def test_smileys_are_split_by_emoji_and_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smileys, "NUM_PICTURES", {"train": 12, "test": 4})
    smileys.main(tmp_path / "first")
    smileys.main(tmp_path / "again")
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.png"))
    assert len(files) == 32
    assert len({(tmp_path / "first" / file).read_bytes() for file in files}) == 32
    assert all((tmp_path / "first" / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
    for label, characters in smileys.EMOJI.items():
        train, test = (set(smileys.chosen(split, label)) for split in ("train", "test"))
        assert not train & test
        assert train | test == set(characters)
    shown = look_at(str(tmp_path / "first"), (3, 32, 32), "train", 24).shown
    assert shown.class_names == ("happy", "unhappy")
    assert shown.images.max((1, 2, 3)).min() > 200


@needs_font
def test_every_smiley_is_in_the_font() -> None:
    font = emoji.load_font()
    absent = bytes(font.getmask(emoji.ABSENT))
    for character in "".join(smileys.EMOJI.values()):
        assert bytes(font.getmask(character)) != absent, character


def test_a_kept_picture_has_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "PICTURES", tmp_path / "docs")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    made = Image.fromarray(np.tile(pixels, (4, 1, 1)))
    made.save(tmp_path / "a.png", compress_level=0)
    gallery.keep(tmp_path / "a.png")
    with Image.open(tmp_path / "docs" / "a.png") as kept:
        assert np.array_equal(np.asarray(kept), np.asarray(made))
    assert (tmp_path / "docs" / "a.png").stat().st_size < (tmp_path / "a.png").stat().st_size
