import re
from pathlib import Path

import pytest

from glowflow import packages
from glowflow.data import BUILT_IN, SPLITS, Shape, load, prepare
from glowflow.errors import InputError


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("digits", (1, 20, 28)),
        ("digits", (2, 28, 28)),
        ("faces", (3, 32, 64)),
        ("faces", (1, 32, 32)),
        ("faces", (3, 8, 8)),
        ("portraits", (3, 8, 8)),
        ("photos", (3, 301, 32)),
        ("photos", (4, 32, 32)),
    ],
)
def test_an_impossible_shape_is_one_sentence(name: str, shape: Shape, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{name} .*{'x'.join(map(str, shape))}.*choose"):
        load(name, shape, "train", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    for name, shape in (("digits", (1, 28, 28)), ("faces", (3, 16, 16)), ("photos", (3, 32, 32))):
        with pytest.raises(InputError, match=re.escape("pip install -e '.[data]'")):
            load(name, shape, "train", tmp_path)


def test_the_table_of_built_in_data_is_true(tmp_path: Path) -> None:
    for name in ("digits", "photos"):
        built_in = BUILT_IN[name]
        splits = prepare(name, built_in.shapes[0], tmp_path)
        assert {split: len(splits[split]) for split in SPLITS} == built_in.num_images
        assert splits["train"].class_names == built_in.class_names


def test_a_folder_of_a_data_sets_name_is_told_how_to_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    load("digits", (1, 28, 28), "test")
    assert "The data digits are the data set of this name, not the folder: write ./digits" in capfd.readouterr().err
