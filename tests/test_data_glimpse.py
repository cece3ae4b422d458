"""`glowflow data show` of unprepared data reads only what it shows, and says what a training will find."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowflow.cli import main
from glowflow.data import SPLITS, Split, at_hand, face_drawing, faces, look_at, prepare
from glowflow.data.cache import prepared
from glowflow.errors import InputError
from tests.miniatures import pictures
from tests.test_data_tfrecords import example, write_shards

SHAPE = (3, 16, 16)


@pytest.fixture(name="cache", autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "cache"


def folder(place: Path) -> str:
    for number, image in enumerate(pictures(40, 20, 20)):
        path = place / "pictures" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return str(place / "pictures")


def folder_with_test(place: Path) -> str:
    for number, image in enumerate(pictures(40, 20, 20)):
        path = place / "pictures" / ("test" if number % 4 == 0 else "train") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return str(place / "pictures")


def npy(place: Path) -> str:
    np.save(place / "a.npy", pictures(40, 16, 16))
    return str(place / "a.npy")


def npz(place: Path) -> str:
    images, labels = pictures(40, 16, 16), np.arange(40) % 3
    np.savez(place / "a.npz", train=images[:30], val=images[30:], train_labels=labels[:30], val_labels=labels[30:])
    return str(place / "a.npz")


def shards(place: Path) -> str:
    pytest.importorskip("google_crc32c")
    images = pictures(40, 16, 16)
    for split, rows, files in (("train", range(30), 3), ("validation", range(30, 40), 1)):
        records = [example(images[row], row % 4) for row in rows]
        write_shards(place / "shards" / split, split, 4, records, files)
    return str(place / "shards")


def hub(place: Path) -> str:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    images = [Image.fromarray(image) for image in pictures(40, 16, 16)]
    columns = {"image": images, "label": [number % 2 for number in range(40)]}
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(columns, features)}).save_to_disk(str(place / "pets"))
    return f"hf:{place / 'pets'}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("make", [folder, folder_with_test, npy, npz, shards, hub], ids=lambda make: make.__name__)
def test_a_look_shows_what_a_training_sees(
    make: Callable[[Path], str], split: Split, tmp_path: Path, cache: Path
) -> None:
    name = make(tmp_path)
    found = look_at(name, SHAPE, split, 3)
    assert not cache.exists()
    whole = prepare(name, SHAPE)
    assert found.counts == {other: len(whole[other]) for other in SPLITS}
    places = np.linspace(0, len(whole[split]) - 1, min(3, len(whole[split]))).round().astype(int)
    assert (found.shown.images == whole[split].images[places]).all()
    assert found.shown.name == whole[split].name
    assert found.shown.split == split
    labels = whole[split].labels
    if labels is None:
        assert found.labels is None
    else:
        known = labels if found.labels is not None and len(found.labels) == len(labels) else labels[places]
        assert found.labels is not None
        names = (found.shown.class_names, whole[split].class_names)
        assert [names[0][label] for label in found.labels] == [names[1][label] for label in known]


def test_few_faces_are_rendered_and_they_are_those_of_the_data_set(tmp_path: Path) -> None:
    counts: dict[Split, int] = {"train": 20, "validation": 3, "test": 4}
    source = faces.source((3, 16, 16), counts)
    assert source.glimpse is not None
    found = source.glimpse("test", 3)
    whole = prepared(source, tmp_path / "cache")["test"]
    assert found.counts == counts
    assert whole.attributes is not None
    assert (found.shown.images == whole.images[[0, 2, 3]]).all()
    np.testing.assert_array_equal(found.attributes, whole.attributes[[0, 2, 3]])


def test_what_is_shown_of_faces_is_all_that_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    rendered: list[int] = []

    def counted(seed: int, index: int, size: int, studio: str) -> object:
        rendered.append(index)
        return face_drawing.render(seed, index, size, studio)

    monkeypatch.setattr("glowflow.data.faces.render", counted)
    assert main(["data", "show", "faces", "--num", "4", "--out", str(tmp_path / "shown.png")]) == 0
    assert rendered == [0, 6666, 13333, 19999]
    shown = capsys.readouterr().out
    assert "train 20,000, validation 1,000, test 2,000" in shown
    assert "not yet: only the 4 images shown were looked at" in shown
    assert "attributes (of the 4 shown)" in shown
    assert not cache.exists()


def test_what_is_at_hand_takes_no_preparation(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = folder_with_test(tmp_path)
    few = at_hand(name, SHAPE, "test", 4)
    assert few is not None
    assert len(few) == 4
    assert at_hand("cifar10", (3, 32, 32), "test", 4) is None
    assert at_hand("hf:somebody/something", SHAPE, "test", 4) is None
    assert at_hand(f"{name}+{npy(tmp_path)}", SHAPE, "test", 4) is None
    assert not cache.exists()
    prepared = prepare(name, SHAPE)["test"]
    again = at_hand(name, SHAPE, "test", 4)
    assert again is not None
    np.testing.assert_array_equal(again.images, few.images)
    np.testing.assert_array_equal(again.images[-1], prepared.images[-1])
    prepare(npy(tmp_path), SHAPE)
    both = at_hand(f"{name}+{tmp_path / 'a.npy'}", SHAPE, "test", 4)
    assert both is not None
    assert len(both) == 4


def test_a_broken_image_is_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = folder(tmp_path)
    (tmp_path / "pictures" / "a" / "0.png").write_bytes(b"broken")
    before = look_at(name, SHAPE, "train", 40).counts["train"] + 1
    assert len(look_at(name, SHAPE, "train", before).shown) == before - 1
    assert "Skipped a/0.png, which can't be read" in capsys.readouterr().err


def test_a_split_without_images_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", pictures(2, 16, 16))
    options = ["--image_shape", "[3, 16, 16]", "--split", "test", "--out", str(tmp_path / "shown.png")]
    assert main(["data", "show", str(tmp_path / "a.npy"), *options]) == 2
    assert "a.npy has no images in its test split" in capsys.readouterr().err
    with pytest.raises(InputError, match="isn't an image shape"):
        look_at(str(tmp_path / "a.npy"), (16, 16), "test", 1)  # type: ignore[arg-type]
