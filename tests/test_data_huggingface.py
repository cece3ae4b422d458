"""Data sets of the Hugging Face hub, from folders that its library writes."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from glowflow.cli import main
from glowflow.data import SPLITS, is_name, load, prepare
from glowflow.errors import InputError
from tests.miniatures import pictures

datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NAMES = ["cat", "dog", "eel"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def table(images: Any, labels: list[int] | None = None, names: list[str] = NAMES, **more: Any) -> Any:  # noqa: ANN401
    columns = {"text": ["a"] * len(images), "picture": [Image.fromarray(image) for image in images], **more}
    features = {"text": datasets.Value("string"), "picture": datasets.Image()}
    if labels is not None:
        columns["kind"] = labels
        features["kind"] = datasets.ClassLabel(names=names)
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def saved(folder: Path, **splits: Any) -> str:  # noqa: ANN401
    datasets.DatasetDict(splits).save_to_disk(str(folder))
    return f"hf:{folder}"


def test_images_and_labels_are_found_and_what_is_missing_is_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = pictures(26, 16, 24), [number % 3 for number in range(26)]
    name = saved(tmp_path / "pets", train=table(images[:20], labels[:20]), test=table(images[20:], labels[20:]))
    options = [name, "--image_shape", "[3, 16, 16]"]
    assert main(["data", "prepare", *options]) == 0
    assert main(["data", "show", *options, "--out", str(tmp_path / "shown.png")]) == 0
    assert "cat " in capsys.readouterr().out
    splits = prepare(name, (3, 16, 16))
    known = {image[:, 4:20].tobytes(): label for image, label in zip(images, labels, strict=True)}
    for data in splits.values():
        assert data.labels is not None
        assert [known[image.tobytes()] for image in data.images] == data.labels.tolist()
        assert data.class_names == ("cat", "dog", "eel")
    assert (splits["test"].images == images[20:, :, 4:20]).all()
    assert len(splits["train"]) + len(splits["validation"]) == 20
    assert is_name(name)


def test_files_in_a_folder_are_read_without_the_network(tmp_path: Path) -> None:
    images = pictures(8, 16, 16)
    for split in ("train", "validation"):
        (tmp_path / "pets" / split).mkdir(parents=True)
        table(images).to_parquet(tmp_path / "pets" / split / "0.parquet")
    splits = prepare(f"hf:{tmp_path / 'pets'}", (3, 16, 16))
    assert (splits["validation"].images == images).all()
    assert len(splits["train"]) + len(splits["test"]) == 8
    assert splits["train"].labels is None


def test_a_folder_that_has_changed_is_read_again(tmp_path: Path) -> None:
    for count in (6, 8):
        name = saved(tmp_path / "pets", train=table(pictures(count, 16, 16)))
        assert sum(map(len, prepare(name, (3, 16, 16)).values())) == count


def test_splits_are_known_by_the_names_that_people_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"Training": 8, "dev": 5, "testing": 4, "extra": 3}
    name = saved(tmp_path / "pets", **{split: table(pictures(count, 16, 16)) for split, count in counts.items()})
    assert [len(data) for data in prepare(name, (3, 16, 16)).values()] == [8, 5, 4]
    assert "extra, which is neither train nor validation nor test" in capsys.readouterr().err


def test_labels_mean_the_same_in_each_split(tmp_path: Path) -> None:
    images = pictures(10, 16, 16)
    train = table(images, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    name = saved(tmp_path / "pets", train=train, test=table(images[:2], [0, 1], names=["eel", "cat"]))
    splits = prepare(name, (3, 16, 16))
    assert splits["test"].labels is not None
    assert [splits["test"].class_names[label] for label in splits["test"].labels] == ["eel", "cat"]
    name = saved(tmp_path / "more", train=train, test=table(images[:2], [0, 1], names=["cat", "ant"]))
    with pytest.raises(InputError, match="has the class ant, which the train split doesn't have"):
        prepare(name, (3, 16, 16))


def test_labels_that_are_kept_secret_are_none(tmp_path: Path) -> None:
    images = pictures(10, 16, 16)
    name = saved(tmp_path / "pets", train=table(images, [0, 1] * 5), test=table(images, [-1] * 10))
    splits = prepare(name, (3, 16, 16))
    assert splits["test"].labels is None
    assert splits["train"].labels is not None


def test_once_prepared_the_library_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = saved(tmp_path / "pets", train=table(pictures(10, 16, 16)))
    prepare(name, (3, 16, 16))
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert len(load(name, (3, 16, 16), "train"))
    with pytest.raises(InputError, match=r"pip install -e '\.\[huggingface\]'"):
        load(name, (3, 8, 8), "train")


def test_mistakes_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = pictures(4, 16, 16)
    only_text = datasets.Dataset.from_dict({"text": ["a"]})
    broken = [{"bytes": b"x", "path": None}] * 4
    kinds = datasets.Features({"picture": datasets.Image(decode=False)})
    unreadable = datasets.Dataset.from_dict({"picture": broken}, features=kinds).cast_column(
        "picture", datasets.Image()
    )
    for name, words in {
        saved(tmp_path / "a", test=table(images)): "has the splits test: it should have train",
        saved(tmp_path / "b", train=only_text): "has no column of images: its columns are text",
        saved(tmp_path / "c", train=table(pictures(4, 8, 8))): "train split, row 0 is smaller",
        saved(tmp_path / "d", train=unreadable): "train split, row 0 can't be read as an image",
    }.items():
        assert main(["data", "prepare", name, "--image_shape", "[3, 16, 16]"]) == 2
        assert words in capsys.readouterr().err
    assert main(["data", "prepare", "hf:somebody/something"]) == 2
    assert "Give the images of hf:somebody/something a size" in capsys.readouterr().err

    def unreachable(_: str) -> None:
        raise ConnectionError("Couldn't reach\nthe hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        InputError, match=r"^hf:somebody/something can't be fetched from the hub \(Couldn't reach the hub\)"
    ):
        prepare("hf:somebody/something", (3, 16, 16))


def test_the_code_needs_little_of_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fake library records the calls that it gets, so that another version can be compared with them."""

    class Kind:
        def __init__(self, *, decode: bool = True) -> None:
            self.decode = decode

    class Table:
        features = {"image": Kind()}  # noqa: RUF012
        rows = [Image.fromarray(image) for image in pictures(5, 8, 8)]  # noqa: RUF012

        def __len__(self) -> int:
            return 5

        def select_columns(self, columns: list[str]) -> "Table":
            assert columns == ["image"]
            return self

        def cast_column(self, column: str, kind: Kind) -> "Table":
            assert column == "image"
            assert not kind.decode
            return self

        def select(self, rows: range) -> Any:  # noqa: ANN401
            for row in rows:
                path = tmp_path / f"{row}.png"
                self.rows[row].save(path)
                yield {"image": {"bytes": None, "path": str(path)}}

    library = ModuleType("datasets")
    vars(library).update(Image=Kind, ClassLabel=type("ClassLabel", (), {}), load_dataset=lambda _: {"train": Table()})
    monkeypatch.setitem(sys.modules, "datasets", library)
    splits = prepare("hf:small", (3, 8, 8))
    assert sum(len(splits[split]) for split in SPLITS) == 5
    assert np.concatenate([splits[split].images for split in SPLITS]).any()


def test_values_of_16_bits_have_one_range_for_the_whole_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dark, bright = np.full((8, 8), 257 * 20, np.uint16), np.full((8, 8), 65535, np.uint16)
    name = saved(tmp_path / "deep", train=table([dark, bright] * 4))
    splits = prepare(name, (1, 8, 8))
    assert {int(image.max()) for split in SPLITS for image in splits[split].images} == {20, 255}
    assert "16-bit values from 0 (black) to 65535 (white)" in capsys.readouterr().err
    chosen = prepare(name, (1, 8, 8), value_ranges={"uint16": (0, 257 * 20)})
    assert {int(image.max()) for split in SPLITS for image in chosen[split].images} == {255}
