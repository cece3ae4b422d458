"""`scenes` is made of photographs that packages install. Here small stand-ins take their places."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from glowflow.cli import main
from glowflow.data import PUBLISHED, SPLITS, Dataset, Split, load, prepare
from glowflow.data.published import scenes
from glowflow.errors import InputError

STAND_INS: dict[Split, list[str]] = {
    "train": ["first.jpg", "nature/second.jpg"],
    "validation": ["third.jpg"],
    "test": ["nature/fourth.jpg", "fifth.jpg"],
}


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder like /usr/share, in which the packages are installed."""
    share = tmp_path_factory.mktemp("share")
    digests = {
        split: {name: _photograph(share / "backgrounds" / name) for name in STAND_INS[split]} for split in SPLITS
    }
    entry = PUBLISHED["scenes"]
    assert entry.installed
    stand_in = replace(
        entry,
        num_images={split: scenes.PER_SCENE[split] * len(digests[split]) for split in SPLITS},
        read=partial(scenes.read, photographs=digests),
        installed=replace(entry.installed, files=tuple(name for names in STAND_INS.values() for name in names)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PUBLISHED, "scenes", stand_in)
        patch.setenv("XDG_DATA_DIRS", f"/nowhere:{share}")
        yield share


def _photograph(path: Path) -> str:
    """Write noise of many sizes, and return the file's digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(path.name.encode()))
    coarse, fine = (Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)) for size in (9, 400))
    Image.blend(coarse.resize((800, 770)), fine.resize((800, 770)), 0.4).save(path, quality=90)
    return sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def splits(share: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Split, Dataset]:
    assert share
    return prepare("scenes", (3, 32, 32), tmp_path_factory.mktemp("cache"))


def test_at_least_twenty_photographs_are_named_once() -> None:
    every = [name for of_split in scenes.PHOTOGRAPHS.values() for name in of_split]
    digests = {digest for of_split in scenes.PHOTOGRAPHS.values() for digest in of_split.values()}
    assert len(every) == len(set(every)) == len(digests) >= 20
    assert all(len(digest) == 64 for digest in digests)
    assert sum(scenes.NUM_IMAGES.values()) == 53_000


def test_whole_photographs_are_held_out(splits: dict[Split, Dataset]) -> None:
    groups = {split: set(np.asarray(splits[split].groups).tolist()) for split in SPLITS}
    assert groups == {"train": {0, 1}, "validation": {2}, "test": {3, 4}}
    assert {split: len(splits[split]) for split in SPLITS} == PUBLISHED["scenes"].num_images
    assert splits["train"].name == "scenes"
    assert splits["train"].labels is None
    assert splits["test"].describe(1) == "fifth-0"


def test_a_patch_is_a_piece_of_its_photograph_at_each_reduction(share: Path, splits: dict[Split, Dataset]) -> None:
    with Image.open(share / "backgrounds" / "third.jpg") as file:
        photo = np.asarray(file.convert("RGB"), np.float64)
    for number, reduction in enumerate(scenes.REDUCTIONS):
        reduced = _mean_of_squares(photo, reduction)
        for turn in range(number, 60, len(scenes.REDUCTIONS)):
            assert _holds(reduced, splits["validation"].images[turn])


def _mean_of_squares(photo: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Each whole square's mean."""
    rows, columns = (range(0, size - side + 1, side) for size in photo.shape[:2])
    return np.array([[photo[y : y + side, x : x + side].mean((0, 1)) for x in columns] for y in rows])


def _holds(photo: NDArray[np.float64], patch: NDArray[np.uint8]) -> bool:
    """True if a piece of the photograph is the patch before rounding."""
    pieces = np.lib.stride_tricks.sliding_window_view(photo, patch.shape)[:, :, 0]
    begin_alike = (np.abs(pieces[:, :, 0, 0] - patch[0, 0]) <= 0.5).all(-1)
    return any((np.abs(piece - patch) <= 0.5).all() for piece in pieces[begin_alike])


def test_patches_are_spread_over_the_photograph(splits: dict[Split, Dataset]) -> None:
    validation = splits["validation"].images
    assert len({patch.tobytes() for patch in validation}) > 0.95 * len(validation)  # the places are random


def test_the_same_photographs_give_the_same_patches(share: Path, tmp_path: Path, splits: dict[Split, Dataset]) -> None:
    again = prepare("scenes", (3, 32, 32), tmp_path, files=share / "backgrounds")
    assert all((again[split].images == splits[split].images).all() for split in SPLITS)
    assert again["train"].digest == splits["train"].digest


def test_an_interrupted_preparation_goes_on_with_the_same_patches(share: Path) -> None:
    test = PUBLISHED["scenes"].read(share / "backgrounds").parts["test"]
    whole = list(islice(test.items(0), 12))
    for expected, found in zip(whole[7:], test.items(7), strict=False):
        assert (found.key, found.group) == (expected.key, expected.group)
        assert np.array_equal(np.asarray(found.picture), np.asarray(expected.picture))
    assert [item.key for item in whole] == list(islice(test.each_key(), 12))


def test_larger_and_grey_patches(share: Path, tmp_path: Path) -> None:
    assert share
    largest = scenes.LARGEST
    assert load("scenes", (1, largest, 64), "test", tmp_path).images.shape == (1000, largest, 64, 1)
    with pytest.raises(InputError, match=f"1 to {largest} pixels a side, such as 3x32x32"):
        load("scenes", (3, largest + 1, 32), "test", tmp_path)


def test_fewer_photographs_are_refused(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    fifth = share / "backgrounds" / "fifth.jpg"
    content = fifth.read_bytes()
    fifth.unlink()
    assert main(["train", "scenes32", "--out", str(tmp_path / "run")]) == 2
    needed = "apt install lomiri-wallpapers-16.04 mate-backgrounds"
    assert needed in capsys.readouterr().err
    assert main(["data", "prepare", "scenes", "--files", str(share / "backgrounds")]) == 2
    assert "lacks fifth.jpg: scenes is prepared from the photographs of Debian's packages" in capsys.readouterr().err
    fifth.write_bytes(content[:-1])
    assert main(["data", "prepare", "scenes"]) == 2
    assert "fifth.jpg isn't the photograph that scenes is made of" in capsys.readouterr().err
    fifth.write_bytes(content)
    assert not list(tmp_path.rglob("*.npy"))
    assert not (tmp_path / "run").exists()
