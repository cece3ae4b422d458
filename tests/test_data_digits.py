from pathlib import Path

import numpy as np
import pytest

from glowflow.data import SPLITS, digits, load, prepare


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_digits_are_split_evenly_and_disjointly(cache: Path) -> None:
    splits = prepare("digits", (1, 28, 28), cache)
    for split in SPLITS:
        labels = splits[split].labels
        assert labels is not None
        assert np.bincount(labels).tolist() == [digits.PER_CLASS[split]] * 10
        assert sorted(labels[:10].tolist()) == list(range(10))
    pixels = np.concatenate([splits[split].images.reshape(-1, 784) for split in SPLITS])
    assert len(np.unique(pixels, axis=0)) == 5000


def test_digits_are_the_files_rows(cache: Path) -> None:
    """A 1 is a narrow stroke and a 0 is a ring, which shows that images and labels belong together."""
    train = load("digits", (1, 28, 28), "train", cache)
    assert train.labels is not None
    middle = train.images[:, 12:16, 13:15, 0].mean((1, 2))
    assert middle[train.labels == 0].mean() < 30
    assert middle[train.labels == 1].mean() > 150


def test_digits_are_padded_and_tiled(cache: Path) -> None:
    plain = load("digits", (1, 28, 28), "test", cache).images
    padded = load("digits", (3, 32, 29), "test", cache).images
    assert padded.shape == (500, 32, 29, 3)
    assert (padded[:, 2:30, :28, 1] == plain[..., 0]).all()
    assert not padded[:, [0, 1, 30, 31]].any()
    assert not padded[:, :, 28].any()
