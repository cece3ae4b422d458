"""Published data sets: each is prepared from its files by the command line, right in every pixel and label."""

import importlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import lmdb
import numpy as np
import pytest
from PIL import Image
from scipy import io as scipy_io

from glowflow.cli import main
from glowflow.data import PUBLISHED, SPLITS, Dataset, is_name, load, prepare
from glowflow.data.joined import names_in
from glowflow.data.published import fitting, writer
from glowflow.data.published.reading import Item
from glowflow.data.registry import find
from glowflow.data.splits import hold_out
from glowflow.errors import InputError
from glowflow.presets import load as load_preset
from glowflow.presets import names as preset_names
from tests import miniatures
from tests.miniatures import Miniature

Write = Callable[[Path], Miniature]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))  # whatever this machine has installed
    return tmp_path / "cache"


def shape_option(miniature: Miniature) -> list[str]:
    return ["--image_shape", str(list(miniature.image_shape))]


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command prints for a user's mistake."""
    capsys.readouterr()
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return shown.strip().splitlines()[-1]


def rows(*datasets: Dataset) -> list[tuple[bytes, int, bytes]]:
    """Each image with its label and attributes, in an order that doesn't depend on the split."""
    return sorted(
        (
            data.images[row].tobytes(),
            -1 if data.labels is None else int(data.labels[row]),
            b"" if data.attributes is None else data.attributes[row].tobytes(),
        )
        for data in datasets
        for row in range(len(data))
    )


def expected(split: miniatures.Split, miniature: Miniature) -> list[tuple[bytes, int, bytes]]:
    return sorted(
        (
            split.images[row].tobytes(),
            int(split.labels[row]) if miniature.class_names else -1,
            b"" if split.attributes is None else split.attributes[row].tobytes(),
        )
        for row in range(len(split.images))
    )


@pytest.mark.parametrize("write", miniatures.EVERY, ids=lambda write: write.__name__)
def test_each_is_prepared_from_its_files_and_then_needs_them_no_more(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = write(tmp_path / "files")
    arguments = [small.name, *shape_option(small)]
    assert main(["data", "prepare", *arguments, "--files", str(tmp_path / "files")]) == 0
    assert "can't be compared with published figures" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "files")
    assert main(["data", "show", *arguments, "--out", str(tmp_path / "shown.png")]) == 0
    shown = capsys.readouterr().out
    assert PUBLISHED[small.name].description in shown
    splits = prepare(small.name, small.image_shape)
    published = set(small.splits)
    for split in published - {"train"}:
        assert rows(splits[split]) == expected(small.splits[split], small)  # type: ignore[index]
    held_out = [splits[split] for split in SPLITS if split not in published or split == "train"]
    assert rows(*held_out) == expected(small.splits["train"], small)
    assert all(len(data) for data in splits.values())
    counted = f"{len(small.splits['train'].images)} of {PUBLISHED[small.name].num_images['train']:,}"
    assert splits["test"].name.startswith(f"{small.name}, {counted}")
    assert splits["train"].class_names == small.class_names
    assert splits["train"].attribute_names == small.attribute_names
    with Image.open(tmp_path / "shown.png") as shown_picture:
        assert shown_picture.width > 64


def test_an_image_keeps_its_split_whatever_the_files_format(tmp_path: Path) -> None:
    for writers in (
        (miniatures.cifar10_python, miniatures.cifar10_binary),
        (miniatures.mnist_gz, miniatures.mnist_torchvision),
        (miniatures.lsun_lmdb, miniatures.lsun_exported),
    ):
        found = []
        for number, write in enumerate(writers):
            small = write(tmp_path / write.__name__)
            splits = prepare(small.name, small.image_shape, tmp_path / str(number), tmp_path / write.__name__)
            found.append([splits[split].images.tobytes() for split in SPLITS])
        assert found[0] == found[1]


def test_images_that_have_names_are_called_by_them(tmp_path: Path) -> None:
    small = miniatures.celeba(tmp_path / "files")
    splits = prepare("celeba", small.image_shape, files=tmp_path / "files")
    assert [splits["validation"].describe(row) for row in range(2)] == ["000005.jpg", "000008.jpg"]


def test_mnist_is_padded_in_grey_too(tmp_path: Path) -> None:
    small = miniatures.mnist_gz(tmp_path / "files")
    grey = prepare("mnist", (1, 32, 32), files=tmp_path / "files")["test"]
    assert (grey.images == small.splits["test"].images[..., :1]).all()
    assert prepare("mnist", (1, 28, 28), files=tmp_path / "files")["test"].image_shape == (1, 28, 28)


def refusal(*arguments: Any, **options: Any) -> str:  # noqa: ANN401
    with pytest.raises(InputError) as caught:
        prepare(*arguments, **options)
    return str(caught.value)


def test_what_is_not_prepared_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, entry in PUBLISHED.items():
        sentence = refusal(name, entry.shapes[0])
        assert sentence.startswith(f"{name} isn't prepared at ")
        assert f"run glowflow data prepare {name} --files DIR" in sentence
        assert entry.layout in sentence
        assert ("(or --download)" in sentence) == bool(entry.torchvision[0])
    assert not list(tmp_path.iterdir())  # asking leaves nothing behind
    line = fails(capsys, "data", "show", "mnist", "--image_shape", "[3, 32, 32]")
    assert 'glowflow data prepare mnist --image-shape "[3, 32, 32]" --files DIR' in line


def test_files_of_an_installed_package_need_no_command(tmp_path: Path) -> None:
    sentence = refusal("fashionmnist", (1, 28, 28))
    assert "yet. On Debian or Ubuntu, run apt install dataset-fashion-mnist. Elsewhere, run glowflow data " in sentence
    small = miniatures.mnist_gz(tmp_path / "share" / "datasets" / "fashion-mnist")
    test = load("fashionmnist", (1, 28, 28), "test")
    assert (test.images == small.splits["test"].images[:, 2:-2, 2:-2, :1]).all()
    assert test.class_names[:2] == ("T-shirt/top", "Trouser")
    shutil.rmtree(tmp_path / "share")
    assert load("fashionmnist", (1, 28, 28), "train").name == test.name


def test_prepared_images_stay_when_a_package_is_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miniatures.mnist_gz(tmp_path / "files")
    before = prepare("fashionmnist", (1, 28, 28), files=tmp_path / "files")
    shutil.copytree(tmp_path / "files", tmp_path / "share" / "datasets" / "fashion-mnist")
    capsys.readouterr()
    assert load("fashionmnist", (1, 28, 28), "test").digest == before["test"].digest
    assert capsys.readouterr().err == ""


def test_files_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "files").mkdir()
    for name, entry in PUBLISHED.items():
        sentence = refusal(name, entry.shapes[0], files=tmp_path / "files")
        assert sentence.startswith(f"{tmp_path / 'files'} lacks ")
        assert sentence.endswith(f": {name} is prepared from {entry.layout}.")
    (tmp_path / "files" / "archive.tar.gz").touch()
    line = fails(capsys, "data", "prepare", "cifar10", "--files", str(tmp_path / "files"))
    assert "lacks cifar-10-batches-py or cifar-10-batches-bin (archive.tar.gz is to be unpacked first)" in line
    assert "nowhere isn't a folder" in fails(capsys, "data", "prepare", "cifar10", "--files", "nowhere")


def test_shapes_that_cannot_be_had_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 to 32 pixels a side" in fails(capsys, "data", "show", "cifar10", "--image_shape", "[3, 64, 64]")
    assert "28 to 512 pixels a side" in fails(capsys, "data", "show", "mnist", "--image_shape", "[1, 16, 16]")
    assert "1 or 3 channels" in fails(capsys, "data", "show", "celeba", "--image_shape", "[4, 64, 64]")


def test_options_for_other_data_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "digits isn't one" in fails(capsys, "data", "prepare", "digits", "--files", ".")
    assert "digits isn't one" in fails(capsys, "data", "prepare", "digits", "--download")
    assert "imagenet32 can't be downloaded" in fails(capsys, "data", "prepare", "imagenet32", "--download")


def test_a_model_is_trained_and_evaluated_by_the_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    miniatures.imagenet_npz(tmp_path / "files")
    monkeypatch.chdir(tmp_path)
    assert main(["data", "prepare", "imagenet32-box", "--files", "files"]) == 0
    shutil.rmtree("files")
    model = {"image_shape": [3, 32, 32], "levels": 1, "steps": 1, "width": 4}
    settings = {"data": "imagenet32-box", "images": 8, "batch_size": 4, "init_batch_size": 4}
    Path("tiny.yaml").write_text(json.dumps({"model": model, "train": settings}))
    assert main(["train", "tiny.yaml", "--out", "run"]) == 0
    assert main(["evaluate", "run", "--json", "result.json"]) == 0
    name = "imagenet32-box, 20 of 1,281,167 training images and 6 of 50,000 test images"
    assert f"6 of {name}, test split" in capsys.readouterr().out
    assert json.loads(Path("result.json").read_text())["data"] == name


def test_the_list_shows_what_is_prepared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miniatures.cifar10_binary(tmp_path / "files")
    assert main(["data", "prepare", "cifar10", "--files", str(tmp_path / "files")]) == 0
    capsys.readouterr()
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    line = next(line for line in lines if " cifar10 " in line)
    assert "3x32x32, 20 of 50,000 training images" in line
    assert all(any(f" {name} " in line for line in lines) for name in PUBLISHED)


def test_every_preset_names_data_that_can_be_had() -> None:
    for preset in map(load_preset, preset_names()):
        assert is_name(preset.run.train.data), preset.name
        for name in names_in(preset.run.train.data):
            find(name, preset.run.model.image_shape)


@pytest.fixture
def interruption(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Blocks of four images; the first preparation ends after three. The list has the images done at each start."""
    done: list[int] = []

    @contextmanager
    def interrupting(*_: object, **kwargs: int) -> Iterator[Callable[[int], None]]:
        done.append(kwargs["done"])
        calls: list[int] = []

        def advance(count: int) -> None:
            calls.append(count)
            if len(done) == 1 and len(calls) == 3:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(writer, "BLOCK_BYTES", 1)
    monkeypatch.setattr(writer, "TASK", 4)
    monkeypatch.setattr(writer, "progress", interrupting)
    return done


@pytest.mark.parametrize(
    "write",
    [miniatures.cifar10_python, miniatures.mnist_gz, miniatures.imagenet_npz, miniatures.lsun_lmdb, miniatures.celeba],
)
def test_an_interrupted_preparation_goes_on(write: Write, interruption: list[int], tmp_path: Path, cache: Path) -> None:
    small = write(tmp_path / "files")
    with pytest.raises(KeyboardInterrupt):
        prepare(small.name, small.image_shape, files=tmp_path / "files")
    assert not list(cache.glob("[!.]*"))
    with pytest.raises(InputError, match="isn't prepared"):  # and takes nothing away of what was done
        load(small.name, small.image_shape, "train")
    again = prepare(small.name, small.image_shape, files=tmp_path / "files")
    assert interruption == [0, 10 if write is miniatures.celeba else 12]
    whole = prepare(small.name, small.image_shape, tmp_path / "whole", tmp_path / "files")
    for split in SPLITS:
        assert (again[split].images == whole[split].images).all()
        assert rows(again[split]) == rows(whole[split])


def test_an_interrupted_preparation_does_not_go_on_with_other_files(interruption: list[int], tmp_path: Path) -> None:
    small = miniatures.svhn(tmp_path / "files")
    with pytest.raises(KeyboardInterrupt):
        prepare("svhn", small.image_shape, files=tmp_path / "files")
    black = {"X": np.zeros((32, 32, 3, 20), np.uint8), "y": np.ones((20, 1), np.uint8)}
    scipy_io.savemat(tmp_path / "files" / "train_32x32.mat", black)
    assert not prepare("svhn", small.image_shape, files=tmp_path / "files")["train"].images.any()
    assert interruption == [0, 0]


def test_other_files_are_prepared_anew_and_the_same_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = miniatures.svhn(tmp_path / "files")
    first = prepare("svhn", small.image_shape, files=tmp_path / "files")["test"].images.copy()
    capsys.readouterr()
    prepare("svhn", small.image_shape, files=tmp_path / "files")
    assert capsys.readouterr().err == ""
    shutil.copy(tmp_path / "files" / "train_32x32.mat", tmp_path / "files" / "test_32x32.mat")
    assert len(prepare("svhn", small.image_shape, files=tmp_path / "files")["test"]) == 20
    assert "preparing svhn again" in capsys.readouterr().err
    assert len(first) == 6


def test_the_published_number_of_images_but_other_files_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = miniatures.svhn(tmp_path / "files")
    monkeypatch.setitem(PUBLISHED["svhn"].num_images, "train", 20)
    monkeypatch.setitem(PUBLISHED["svhn"].num_images, "test", 6)
    name = prepare("svhn", small.image_shape, files=tmp_path / "files")["test"].name
    assert name == "svhn, with another train_32x32.mat"
    assert "isn't the published file: its MD5 is" in capsys.readouterr().err


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


BROKEN: list[tuple[Write, str, Callable[[Path], object], str]] = [
    (miniatures.cifar10_python, "cifar-10-batches-py/data_batch_2", _truncate, "data_batch_2 can't be read"),
    (
        miniatures.cifar10_binary,
        "cifar-10-batches-bin/data_batch_3.bin",
        _truncate,
        "data_batch_3.bin, record 3 (counting",
    ),
    (
        miniatures.cifar10_binary,
        "cifar-10-batches-bin/data_batch_3.bin",
        lambda path: path.write_bytes(b"\x0c" + path.read_bytes()[1:]),
        "data_batch_3.bin, record 0 (counting from 0) has label 12: there are 10 classes",
    ),
    (miniatures.mnist_gz, "train-images-idx3-ubyte.gz", _truncate, "train-images-idx3-ubyte.gz can't be read"),
    (miniatures.mnist_torchvision, "MNIST/raw/t10k-images-idx3-ubyte", _truncate, "t10k-images-idx3-ubyte, record 5"),
    (
        miniatures.mnist_torchvision,
        "MNIST/raw/train-labels-idx1-ubyte",
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x0b"),
        "train-images-idx3-ubyte, record 19 (counting from 0) has label 11",
    ),
    (
        miniatures.mnist_torchvision,
        "MNIST/raw/train-labels-idx1-ubyte",
        lambda p: p.write_bytes(b"x" * 40),
        "isn't an idx file",
    ),
    (miniatures.svhn, "train_32x32.mat", _truncate, "train_32x32.mat can't be read"),
    (
        miniatures.celeba,
        "celeba/img_align_celeba/000007.jpg",
        lambda p: p.write_bytes(b"x"),
        "000007.jpg can't be read as an image",
    ),
    (miniatures.celeba, "celeba/img_align_celeba/000007.jpg", Path.unlink, "000007.jpg can't be read as an image"),
    (
        miniatures.celeba,
        "celeba/list_attr_celeba.txt",
        lambda path: path.write_text(path.read_text().replace("000004.jpg ", "000004.jpg 2 ")),
        "list_attr_celeba.txt, line 6, should have 40 values",
    ),
    (
        miniatures.celeba,
        "celeba/list_eval_partition.txt",
        lambda path: path.write_text(path.read_text().replace("000004.jpg 0", "000004.jpg 3")),
        "list_eval_partition.txt, line 4, should have",
    ),
    (
        miniatures.celeba,
        "celeba/list_eval_partition.txt",
        lambda path: path.write_text(path.read_text().replace("000004.jpg 0\n", "")),
        "list_eval_partition.txt lacks 000004.jpg",
    ),
    (
        miniatures.imagenet_png,
        "train_32x32/0000009.png",
        lambda path: Image.new("RGB", (40, 32)).save(path),
        "0000009.png has 32x40 pixels: here each image has 32x32",
    ),
    (miniatures.imagenet_npz, "train_data_batch_4.npz", _truncate, "train_data_batch_4.npz can't be read"),
    (
        miniatures.imagenet_npz,
        "train_data_batch_4.npz",
        lambda path: np.savez(path, data=np.zeros((2, 3072), np.uint8), labels=np.array([1, 1001])),
        "train_data_batch_4.npz, record 1 (counting from 0) has label 1000",
    ),
    (
        miniatures.imagenet_npz,
        "val_data.npz",
        lambda path: np.savez(path, data=np.zeros((2, 12288), np.uint8), labels=np.array([1, 2])),
        "val_data.npz has data of shape (2, 12288): images of 32x32 need (N, 3072)",
    ),
    (
        miniatures.imagenet_npz,
        "val_data.npz",
        lambda path: np.savez(path, data=np.array([None, {}]), labels=np.array([1, 2])),
        "val_data.npz can't be read",
    ),
    (
        miniatures.lsun_lmdb,
        "tower_train_lmdb/data.mdb",
        lambda path: os.truncate(path, path.stat().st_size // 2),
        "tower_train_lmdb/data.mdb is cut off",
    ),
    (
        miniatures.lsun_lmdb,
        "tower_val_lmdb/data.mdb",
        lambda p: p.write_bytes(b"x" * 8192),
        "tower_val_lmdb can't be read",
    ),
]


@pytest.mark.parametrize(
    ("write", "file", "damage", "words"), BROKEN, ids=[f"{w.__name__} {n}" for n, (w, *_) in enumerate(BROKEN)]
)
def test_what_is_broken_is_named(
    write: Write,
    file: str,
    damage: Callable[[Path], None],
    words: str,
    tmp_path: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = write(tmp_path / "files")
    damage(tmp_path / "files" / file)
    arguments = ["data", "prepare", small.name, *shape_option(small), "--files", str(tmp_path / "files")]
    assert words in fails(capsys, *arguments)
    assert not list(cache.glob("[!.]*"))


def test_a_broken_image_in_a_database_is_named_by_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miniatures.lsun_lmdb(tmp_path / "files")
    with (
        lmdb.open(str(tmp_path / "files" / "tower_train_lmdb"), map_size=1 << 24) as database,
        database.begin(write=True) as to,
    ):
        to.put(b"00ff", b"RIFF")
    line = fails(capsys, "data", "prepare", "lsun-tower", "--files", str(tmp_path / "files"))
    assert "tower_train_lmdb, key 00ff can't be read as an image" in line


class Malicious:
    def __init__(self, *call: Any) -> None:  # noqa: ANN401
        self.call = call

    def __reduce__(self) -> Any:  # noqa: ANN401
        return self.call[0], self.call[1:]


def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miniatures.cifar10_python(tmp_path / "files")
    batch = tmp_path / "files" / "cifar-10-batches-py" / "data_batch_1"
    trace = tmp_path / "executed"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for call in (
            (os.system, f"touch {trace}"),
            (eval, f"open({str(trace)!r}, 'w')"),
            (importlib.import_module, "os"),
        ):
            batch.write_bytes(pickle.dumps({"data": Malicious(*call)}, protocol))
            assert "which no array needs and which was not run" in refusal("cifar10", (3, 32, 32), files=batch.parent)
            assert not trace.exists()
    assert "data_batch_1 can't be read (it asks for " in fails(
        capsys, "data", "prepare", "cifar10", "--files", str(tmp_path / "files")
    )


def test_a_pickled_array_of_objects_or_of_another_type_is_refused(tmp_path: Path) -> None:
    miniatures.cifar10_python(tmp_path / "files")
    batch = tmp_path / "files" / "cifar-10-batches-py" / "data_batch_1"
    for array in (
        np.array([None]),
        np.zeros(3),
        np.zeros((2, 3, 3), np.uint8),
        np.asfortranarray(np.zeros((2, 3072), np.uint8)),
    ):
        batch.write_bytes(pickle.dumps({"data": array, "labels": [1, 2]}, 2))
        assert "data_batch_1 can't be read" in refusal("cifar10", (3, 32, 32), files=batch.parent)
    for content in ([1, 2], {"data": [1]}, {"data": np.zeros((2, 3072), np.uint8), "labels": [1]}):
        batch.write_bytes(pickle.dumps(content, 2))
        assert str(batch) in refusal("cifar10", (3, 32, 32), files=batch.parent)


def test_batches_that_were_pickled_again_are_read(tmp_path: Path) -> None:
    small = miniatures.cifar10_python(tmp_path / "files")
    batch = tmp_path / "files" / "cifar-10-batches-py" / "test_batch"
    test = small.splits["test"]
    rows_first = np.ascontiguousarray(test.images.transpose(0, 3, 1, 2).reshape(6, -1))
    for protocol in (2, 4):
        batch.write_bytes(pickle.dumps({"data": rows_first, "labels": test.labels.tolist()}, protocol))
        assert (prepare("cifar10", (3, 32, 32), files=tmp_path / "files")["test"].images == test.images).all()


def test_realnvp_s_reduction_is_scikit_image_s() -> None:
    transform = pytest.importorskip("skimage.transform")
    for height, width in ((256, 256), (256, 341), (600, 256), (97, 300)):
        image = miniatures.pictures(1, height, width, seed=height + width)[0]
        theirs = 255 * transform.pyramid_reduce(image, min(height / 96.0, width / 96.0), channel_axis=-1)
        ours = fitting.reduce(image)
        assert ours.shape == theirs.shape
        behind_the_point = theirs - ours
        assert behind_the_point.min() > -2e-3
        assert behind_the_point.max() < 1 + 2e-3


def test_realnvp_s_crops_are_pieces_of_the_reduced_image_and_always_the_same(tmp_path: Path) -> None:
    miniatures.lsun_lmdb(tmp_path / "files")
    _, files, _ = miniatures.lsun_files(4, "val")
    data = prepare("lsun-tower-realnvp", (3, 64, 64), files=tmp_path / "files")["test"]
    again = prepare("lsun-tower-realnvp", (3, 64, 64), tmp_path / "other", tmp_path / "files")["test"]
    assert (data.images == again.images).all()
    reduced = [fitting.reduce(np.asarray(Image.open(BytesIO(file)).convert("RGB"))) for file in files]
    corners = set()
    for image in data.images:
        found = [
            (top, left)
            for whole in reduced
            for top in range(whole.shape[0] - 63)
            for left in range(whole.shape[1] - 63)
            if (whole[top, left : left + 64] == image[0]).all()
            and (whole[top : top + 64, left : left + 64] == image).all()
        ]
        assert len(found) == 1
        corners.update(found)
    assert len(corners) > 2


def test_a_crop_s_place_is_evenly_spread() -> None:
    column = np.arange(33, dtype=np.uint8).reshape(33, 1, 1)
    items = [Item(f"key {number}", "here", column) for number in range(3300)]
    places = np.array([fitting.piece(column, (1, 1, 1), item).item() for item in items])
    counts = np.bincount(places, minlength=33)
    assert len(counts) == 33
    assert counts.min() > 60


def test_no_more_is_held_out_than_is_of_use() -> None:
    keys = [str(number) for number in range(4000)]
    assert 350 < len(hold_out(keys, ["validation"])["validation"]) < 450
    few = hold_out(keys, ["validation"], 100)
    assert 70 < len(few["validation"]) < 130
    assert len(few["train"]) + len(few["validation"]) == 4000


@pytest.mark.parametrize("module", ["lmdb", "scipy.io"])
def test_a_library_that_is_missing_is_asked_for(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = (miniatures.lsun_lmdb if module == "lmdb" else miniatures.svhn)(tmp_path / "files")
    monkeypatch.setitem(sys.modules, module, None)
    line = fails(capsys, "data", "prepare", small.name, "--files", str(tmp_path / "files"))
    assert "pip install -e '.[published]'" in line


def fake_torchvision(monkeypatch: pytest.MonkeyPatch, **classes: Any) -> None:  # noqa: ANN401
    datasets = ModuleType("torchvision.datasets")
    vars(datasets).update(classes)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)


def test_files_are_downloaded_through_torchvision_and_read_by_us(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    def downloading(write: Write) -> Callable[..., None]:
        def download(root: str, **options: Any) -> None:  # noqa: ANN401
            calls.append((root, options))
            if len(calls) % 2:
                shutil.copytree(write_once(write), root, dirs_exist_ok=True)

        return download

    def write_once(write: Write) -> Path:
        if not (tmp_path / write.__name__).exists():
            write(tmp_path / write.__name__)
        return tmp_path / write.__name__

    fake_torchvision(
        monkeypatch,
        CIFAR10=downloading(miniatures.cifar10_python),
        MNIST=downloading(miniatures.mnist_torchvision),
        SVHN=downloading(miniatures.svhn),
    )
    for name, folder in (("cifar10", None), ("mnist", tmp_path / "mine"), ("svhn", None)):
        options = ["--files", str(folder)] if folder else []
        assert main(["data", "prepare", name, "--download", *options]) == 0
        shape = PUBLISHED[name].shapes[0]
        assert len(load(name, shape, "test")) == 6
        assert calls[-1][0] == str(folder or cache / "downloads" / name)
        assert calls[-1][1]["download"] is True
    assert [options.get("train", options.get("split")) for _, options in calls] == [True, False] * 2 + ["train", "test"]


def test_a_download_that_fails_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("no route\nto host")

    fake_torchvision(monkeypatch, CIFAR10=failing)
    line = fails(capsys, "data", "prepare", "cifar10", "--download")
    assert "CIFAR10 can't be downloaded (no route to host): fetch its files by hand" in line
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert "pip install -e '.[vision]'" in fails(capsys, "data", "prepare", "cifar10", "--download")
