from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glowflow.data import SPLITS, load, prepare
from glowflow.data.splits import hold_out
from glowflow.errors import InputError

RNG = np.random.default_rng(0)


def _images(count: int = 20, shape: tuple[int, ...] = (4, 6, 3)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


def _rows(images: np.ndarray[Any, Any]) -> list[bytes]:
    return sorted(image.tobytes() for image in images)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2)])
def test_both_orders_of_an_npy_are_read(order: tuple[int, ...], tmp_path: Path) -> None:
    images = _images()
    np.save(tmp_path / "a.npy", images.transpose(order))
    splits = prepare(tmp_path / "a.npy", (3, 4, 6), tmp_path / "cache")
    assert _rows(np.concatenate([splits[s].images for s in SPLITS])) == _rows(images)
    assert all(len(splits[s]) for s in SPLITS)


def test_grey_images_need_no_channel_axis(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", _images(shape=(4, 6)))
    assert load(tmp_path / "a.npy", (1, 4, 6), "train", tmp_path / "cache").images.shape[1:] == (4, 6, 1)


def test_labels_stay_with_their_images(tmp_path: Path) -> None:
    images, labels = _images(), np.arange(20, dtype=np.uint8) % 3
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    known = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    for data in prepare(tmp_path / "a.npz", (3, 4, 6), tmp_path / "cache").values():
        assert data.class_names == ("0", "1", "2")
        assert data.labels is not None
        assert [known[image.tobytes()] for image in data.images] == data.labels.tolist()


def test_splits_of_an_npz_are_kept_and_a_missing_one_is_held_out(tmp_path: Path) -> None:
    train, test = _images(), _images(5)
    extra: dict[str, Any] = {"train_labels": np.arange(20), "test_labels": np.arange(5), "unrelated": np.array("text")}
    np.savez_compressed(tmp_path / "a.npz", train=train, test=test, **extra)
    splits = prepare(tmp_path / "a.npz", (3, 4, 6), tmp_path / "cache")
    assert (splits["test"].images == test).all()
    assert splits["test"].labels is not None
    assert splits["test"].labels.tolist() == [0, 1, 2, 3, 4]
    held = [splits[s].images for s in ("train", "validation")]
    assert _rows(np.concatenate(held)) == _rows(train)
    assert splits["validation"].labels is not None
    assert (train[splits["validation"].labels] == splits["validation"].images).all()


def test_splits_of_an_npz_are_known_by_the_names_that_people_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays: dict[str, Any] = {"Train": _images(6), "val": _images(5), "testing": _images(4), "faces": _images(3)}
    labels: dict[str, Any] = {f"{name}_labels": np.arange(len(images)) for name, images in arrays.items()}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    splits = prepare(tmp_path / "a.npz", (3, 4, 6), tmp_path / "cache")
    for split, name in zip(SPLITS, arrays, strict=False):
        assert (splits[split].images == arrays[name]).all()
        np.testing.assert_array_equal(splits[split].labels, labels[f"{name}_labels"])
    assert "faces, which is neither train nor validation nor test" in capsys.readouterr().err


def test_arrays_beside_the_images_are_left_out_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "a.npz", images=_images(6), test=_images(5))
    splits = prepare(tmp_path / "a.npz", (3, 4, 6), tmp_path / "cache")
    assert sum(map(len, splits.values())) == 6
    assert "Left out of" in capsys.readouterr().err


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    for count in (10, 12):
        np.save(tmp_path / "a.npy", _images(count))
        splits = prepare(tmp_path / "a.npy", (3, 4, 6), tmp_path / "cache")
        assert sum(len(data) for data in splits.values()) == count


def test_few_rows_are_held_out_evenly_whatever_their_names() -> None:
    for count in range(3, 40):
        for salt in range(40):
            rows = hold_out([f"{salt} {row}" for row in range(count)], ["validation", "test"])
            assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(count))
            assert all(len(part) for part in rows.values())


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "float": ({"images": _images().astype(np.float32)}, "array images, is float32.*uint8"),
    "shape": ({"images": _images(shape=(5, 6, 3))}, r"has shape \(20, 5, 6, 3\): it should be \(N, 4, 6, 3\)"),
    "empty": ({"images": _images(0)}, "at least one"),
    "objects": ({"images": np.array([None] * 4)}, "can't be read as a NumPy file of plain numbers"),
    "names": ({"pictures": _images()}, "has the arrays pictures: it should have images"),
    "no train": ({"test": _images()}, "has the arrays test"),
    "label count": (
        {"images": _images(), "labels": np.arange(19)},
        r"labels, is int64 of shape \(19,\).*each of the 20",
    ),
    "label type": ({"images": _images(), "labels": np.ones(20)}, "labels, is float64"),
    "label sign": ({"images": _images(), "labels": np.arange(20) - 1}, "whole numbers from 0"),
    "two of a split": (
        {"train": _images(), "val": _images(), "valid": _images()},
        "has val and valid, which both mean validation",
    ),
    "some labels": ({"train": _images(), "test": _images(), "train_labels": np.arange(20)}, "no array test_labels"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_an_npz_is_one_sentence(mistake: str, tmp_path: Path) -> None:
    arrays, words = MISTAKES[mistake]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=words):
        load(tmp_path / "a.npz", (3, 4, 6), "train", tmp_path / "cache")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_corrupt_file_is_one_sentence(name: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{name}"
    np.save(whole, _images()) if name == "a.npy" else np.savez(whole, images=_images())
    for content in (b"", b"nonsense", whole.read_bytes()[: whole.stat().st_size // 2]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="can't be read as a NumPy file"):
            load(tmp_path / name, (3, 4, 6), "train", tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("digit", "did you mean digits"),
        ("/no/such/folder", "There is no data set, folder or file '/no/such/folder': give a folder"),
        ("CIFAR-10", "did you mean cifar10"),
        ("lsun-bedrooms", "did you mean lsun-bedroom"),
        ("/dev/null", "/dev/null is neither a folder nor a regular file"),
        ("missing.npz", "There is no data set, folder or file 'missing.npz'"),
    ],
)
def test_an_unknown_source_is_one_sentence(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        load(name, (3, 32, 32), "train", tmp_path)


def test_other_files_splits_and_shapes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match=r"a\.txt is a file of a kind that isn't read"):
        load(tmp_path / "a.txt", (3, 32, 32), "train", tmp_path)
    with pytest.raises(InputError, match="no split 'valid': choose one of train, validation, test"):
        load("digits", (1, 28, 28), "valid", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="isn't an image shape"):
        load("digits", (28, 28), "train", tmp_path)  # type: ignore[arg-type]
