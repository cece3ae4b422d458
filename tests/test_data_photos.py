from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowflow import packages
from glowflow.data import SPLITS, load, look_at, photos, prepare


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_photos_hold_out_whole_scenes(cache: Path) -> None:
    splits = prepare("photos", (3, 32, 32), cache)
    scenes = {}
    for split in SPLITS:
        data = splits[split]
        assert data.images.shape == (photos.NUM_IMAGES[split], 32, 32, 3)
        assert data.groups is not None
        scenes[split] = set(data.groups.tolist())
        assert data.labels is None
    assert scenes == {"train": {0, 1, 2, 3}, "validation": {4}, "test": {5, 6}}


def test_a_photo_patch_is_a_piece_of_its_scene(cache: Path) -> None:
    test = load("photos", (3, 32, 32), "test", cache)
    assert test.groups is not None
    path = packages.package_file(*photos.SCENES["chelsea"], "photos")
    scene = np.asarray(Image.open(path)).tobytes()
    patches = test.images[:60][np.asarray(test.groups[:60]) == list(photos.SCENES).index("chelsea")]
    found = [all(row.tobytes() in scene for row in patch) for patch in patches]
    assert 0.1 < np.mean(found) < 0.6  # a third of them at full size


def test_photos_may_be_as_large_as_the_smallest_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path))
    few = look_at("photos", (1, *photos.LARGEST), "test", 1)
    assert few.shown.images.shape == (1, 300, 451, 1)


def test_a_look_at_photos_shows_what_a_training_sees(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path))
    whole = load("photos", (3, 32, 32), "train", cache)
    few = look_at("photos", (3, 32, 32), "train", 5)
    assert few.counts == photos.NUM_IMAGES
    assert (few.shown.images == whole.images[[0, 5000, 10000, 14999, 19999]]).all()
    assert not list(tmp_path.iterdir())
