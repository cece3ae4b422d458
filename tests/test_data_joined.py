"""Several data sets as one, in equal shares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowflow import InputError
from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.data import SPLITS, Dataset, Split, absolute, cache, is_name, is_there, joined, load, look_at, prepare
from glowflow.evaluate import mean_of
from glowflow.training import train
from glowflow.training.run import read_config
from tests.helpers import assert_same, sentence

SHAPE = (1, 8, 8)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of dark and bright images, the second larger, and a folder of images, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    _write("dark", 60, low=0)
    _write("bright", 100, low=128)
    Path("pictures").mkdir()
    for number in range(30):
        Image.fromarray(np.full((8, 8), 100 + number, np.uint8)).save(f"pictures/{number}.png")


def _write(name: str, count: int, low: int, classes: int = 2) -> None:
    """Images of even and odd brightness in their upper left corner, which are the labels of two classes."""
    images = np.random.default_rng(low).integers(low, low + 100, (count, 8, 8), np.uint8)
    np.savez(f"{name}.npz", images=images, labels=images[:, 0, 0] % classes)


def splits_of(attribute_names: tuple[str, ...]) -> dict[Split, Dataset]:
    """A data set of six images with attributes."""
    images, attributes = np.zeros((6, 8, 8, 1), np.uint8), np.eye(6, len(attribute_names), dtype=np.bool_)
    return {
        split: Dataset("some", split, images, attributes=attributes, attribute_names=attribute_names)
        for split in SPLITS
    }


def put_together(*parts: dict[Split, Dataset]) -> dict[Split, Dataset]:
    return cache.prepared(joined.source("here", parts, SHAPE))


def test_data_sets_get_equal_shares_of_each_split(capfd: pytest.CaptureFixture[str]) -> None:
    dark, bright = (prepare(f"{name}.npz", SHAPE) for name in ("dark", "bright"))
    capfd.readouterr()
    both = prepare("dark.npz+bright.npz", SHAPE)
    counts = f"{len(dark['train'])} of its {len(bright['train'])} images"
    assert f"bright.npz gives {counts} to the train split, as many as dark.npz has." in capfd.readouterr().err
    for split in SPLITS:
        assert len(both[split]) == 2 * len(dark[split])
        assert np.array_equal(both[split].images[::2], dark[split].images)  # they take turns
        names = {f"bright.npz/{bright[split].describe(row)}": row for row in range(len(bright[split]))}
        rows = [names[both[split].describe(row)] for row in range(1, len(both[split]), 2)]
        assert np.array_equal(both[split].images[1::2], bright[split].images[rows])
        assert len(set(rows)) == len(rows) == len(dark[split])
        assert both[split].describe(0) == f"dark.npz/{dark[split].describe(0)}"
    assert both["train"].name == "dark.npz+bright.npz"
    assert both["train"].digest == load("dark.npz+bright.npz", SHAPE, "test").digest != dark["train"].digest


def test_labels_are_kept_if_all_have_the_same_classes() -> None:
    both = prepare("dark.npz+bright.npz", SHAPE)
    assert both["train"].class_names == ("0", "1")
    for dataset in both.values():
        assert np.array_equal(np.asarray(dataset.labels), dataset.images[:, 0, 0, 0] % 2)
    _write("three", 80, low=50, classes=3)
    for other in ("three.npz", "pictures"):
        mixed = prepare(f"dark.npz+{other}", SHAPE)["validation"]
        assert (mixed.labels, mixed.class_names) == (None, ())


def test_attributes_are_kept_if_all_have_the_same() -> None:
    same, other = splits_of(("old", "new")), splits_of(("old",))
    both = put_together(same, same)["test"]
    assert both.attribute_names == ("old", "new")
    assert np.array_equal(np.asarray(both.attributes), np.eye(6, 2, dtype=np.bool_).repeat(2, axis=0))
    assert put_together(same, other)["test"].attributes is None


def test_groups_stay_apart() -> None:
    """The scenes of photos stay groups, and each other image is a group by itself."""
    both = prepare("photos+bright.npz", SHAPE)
    groups = {split: np.asarray(both[split].groups) for split in SPLITS}
    single = np.concatenate([groups[split][1::2] for split in SPLITS])
    assert len(set(single)) == len(single)
    assert not np.isin(single, np.concatenate([groups[split][::2] for split in SPLITS])).any()
    assert {split: len(set(groups[split][::2])) for split in SPLITS} == {"train": 4, "validation": 1, "test": 2}
    test = both["test"]
    assert mean_of(np.zeros(len(test)), test).num_clusters == 2 + len(test) // 2
    assert prepare("dark.npz+bright.npz", SHAPE)["test"].groups is None


def test_a_split_may_be_empty() -> None:
    np.save("two.npy", np.zeros((2, 8, 8), np.uint8))
    both = prepare("two.npy+dark.npz", SHAPE)
    assert {split: len(both[split]) for split in SPLITS} == {"train": 4, "validation": 0, "test": 0}


def test_more_images_than_are_copied_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepare("dark.npz+bright.npz+pictures", SHAPE)["train"]
    monkeypatch.setattr(joined, "ROWS", 7)
    monkeypatch.setenv("GLOWFLOW_CACHE", "another")
    assert np.array_equal(prepare("dark.npz+bright.npz+pictures", SHAPE)["train"].images, whole.images)


def test_a_changed_part_is_noticed() -> None:
    before = load("dark.npz+bright.npz", SHAPE, "train")
    _write("bright", 100, low=120)
    after = load("dark.npz+bright.npz", SHAPE, "train")
    assert before.digest != after.digest
    assert len([path for path in Path("cache").iterdir() if path.name.startswith("joined")]) == 1


def test_files_with_a_plus_sign_in_their_names_are_files() -> None:
    Path("a+b").mkdir()
    Path("pictures").rename("a+b/c")
    assert joined.names_in("a+b") == ["a+b"]
    assert load("a+b/c", SHAPE, "train").name == "c"
    Path("link").symlink_to("a+b")
    with pytest.raises(InputError, match=r"a\+b/c can't be joined with other data sets, because its path has a plus"):
        prepare("dark.npz+link/c", SHAPE)


def test_what_is_there() -> None:
    assert is_name("photos+faces")
    assert is_name("photos+hf:you/yours")
    assert not is_name("photos+pictures")
    assert is_there("photos+pictures")
    assert not is_there("photos+nothing")
    assert absolute("photos+pictures") == f"photos+{Path('pictures').resolve()}"
    assert absolute("photos+nothing") == "photos+nothing"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "dark.npz+nothing",
            "There is no data set, folder or file 'nothing', which dark.npz+nothing joins with others",
        ),
        ("photos+fotos", "'fotos', which photos+fotos joins with others: did you mean photos?"),
        ("photos+", "There is no data set, folder or file 'photos+'"),
        ("dark.npz+./dark.npz", "names a data set twice"),
        ("photos+faces", "faces can't be rendered as 1x8x8"),
    ],
)
def test_what_cannot_be_joined_is_one_sentence(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in sentence(capsys, "data", "prepare", name, "--image-shape", "1,8,8")


def test_files_belong_to_one_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert "photos+cifar10 isn't one" in sentence(capsys, "data", "prepare", "photos+cifar10", "--files", "pictures")


def test_ranges_of_values_agree() -> None:
    for name, most in (("ten", 1000), ("twelve", 4000)):
        Path(name).mkdir()
        for number in range(10):
            image = np.linspace(0, most - number, 64).astype(np.uint16).reshape(8, 8)
            Image.fromarray(image).save(f"{name}/{number}.png")
    with pytest.raises(InputError, match=r"ten\+twelve have different ranges of 16-bit values, .*--value-range"):
        prepare("ten+twelve", SHAPE)
    both = prepare("ten+twelve+dark.npz", SHAPE, value_ranges={"uint16": (0, 4095)})
    assert both["train"].value_ranges == {"uint16": (0, 4095)}


def test_the_commands_take_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "photos+bright.npz", "--image-shape", "1,8,8", "--out", "look.png"]) == 0
    assert "photos+bright.npz" in (told := capsys.readouterr().out)
    assert "images  train 168, validation 14, test 18" in told
    assert look_at("photos+bright.npz", SHAPE, "test", 4).is_prepared
    assert "--image-shape" in sentence(capsys, "data", "show", "dark.npz+bright.npz")


def test_a_run_on_joined_data_goes_on_from_anywhere(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))

    def run(images: int, data: str = "dark.npz+pictures") -> RunConfig:
        return replace(config, train=replace(config.train, data=data, images=images, validation_images=4))

    whole = train(run(160), tmp_path / "whole")
    train(run(80), tmp_path / "parts")
    stored = str(read_config(tmp_path / "parts")["train"]["data"])
    assert stored == f"{tmp_path / 'dark.npz'}+{tmp_path / 'pictures'}"
    monkeypatch.chdir("/")
    (tmp_path / "pictures").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"there is nothing at .*pictures"):
        train(run(160, stored), tmp_path / "parts")
    assert_same(train(run(160, stored.replace("pictures", "moved")), tmp_path / "parts"), whole)
    with pytest.raises(InputError, match="aren't those that were in"):
        train(run(240, stored.replace("pictures", "bright.npz")), tmp_path / "parts")
    assert main(["evaluate", str(tmp_path / "parts"), "--split", "validation"]) == 0
