"""The original's TFRecord shards, written here as TensorFlow writes them, and read without it."""

import os
import struct
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from glowflow.cli import main
from glowflow.data import SPLITS, prepare
from glowflow.data.published import record_file
from glowflow.data.published.celeba import ATTRIBUTE_NAMES
from glowflow.errors import InputError
from tests.miniatures import Images, pictures

crc32c = pytest.importorskip("google_crc32c")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))


def varint(number: int) -> bytes:
    number %= 1 << 64
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number >> 7)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def integers(values: Sequence[int]) -> bytes:
    return message(3, message(1, b"".join(map(varint, values))) if values else b"")


def example(image: Images, label: int | None = None, attr: Sequence[int] = ()) -> bytes:
    """A record as the original's scripts make it."""
    features = {"shape": integers(image.shape), "data": message(1, message(1, image.tobytes()))}
    if label is not None:
        features |= {"label": integers([label]), "attr": integers(attr)}
    entries = [message(1, name.encode()) + message(2, feature) for name, feature in features.items()]
    return message(1, b"".join(message(1, entry) for entry in entries))


def framed(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    return length + masked(length) + record + masked(record)


def masked(content: bytes) -> bytes:
    crc = crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32)


def write_shards(folder: Path, name: str, level: int, records: Sequence[bytes], shards: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        path = folder / f"{name}-r{level:02}-s-{number:04}-of-{shards:04}.tfrecords"
        path.write_bytes(b"".join(map(framed, records[number::shards])))


def test_what_these_tests_write_is_what_tensorflow_writes(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    kinds = {
        "bytes": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"one", b"two"])),
        "numbers": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, -1, 2**63 - 1, -(2**63), 300])),
        "none": tf.train.Feature(int64_list=tf.train.Int64List()),
        "points": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5])),
        "empty": tf.train.Feature(),
    }
    content = tf.train.Example(features=tf.train.Features(feature=kinds)).SerializeToString()
    numbers = [1, -1, 2**63 - 1, -(2**63), 300]
    expected = {"bytes": b"one", "numbers": numbers, "none": [], "points": [], "empty": []}
    assert record_file.features(content, "here") == expected
    ours = example(pictures(1, 8, 9)[0], 200, [1, -1, 0])
    assert sorted(tf.train.Example.FromString(ours).SerializeToString(deterministic=True)) == sorted(ours)
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecords")) as writer:
        writer.write(content)
        writer.write(ours)
    assert (tmp_path / "a.tfrecords").read_bytes() == framed(content) + framed(ours)
    assert list(record_file.contents(tmp_path / "a.tfrecords", 0, 0)) == [content, ours]
    assert record_file.offsets(tmp_path / "a.tfrecords").tolist() == [0, len(content) + 16]


def as_rows(images: Images) -> list[bytes]:
    return sorted(image.tobytes() for image in images)


@pytest.fixture(name="imagenet")
def _imagenet(tmp_path: Path) -> tuple[Path, Images, NDArray[np.int64]]:
    """The layout of imagenet-tfr: 30 training images in three shards, at 32 and 16 pixels; 5 validation images."""
    images, labels = pictures(35, 32, 32), np.arange(35) % 7
    for split, rows, shards in (("train", range(30), 3), ("validation", range(30, 35), 1)):
        for level, step in ((5, 1), (4, 2)):
            records = [example(images[row, ::step, ::step], int(labels[row])) for row in rows]
            write_shards(tmp_path / "imagenet-tfr" / split, split, level, records, shards)
    return tmp_path / "imagenet-tfr", images, labels


def test_a_folder_of_shards_is_recognised(
    imagenet: tuple[Path, Images, NDArray[np.int64]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, images, labels = imagenet
    options = [str(folder), "--image_shape", "[3, 32, 32]"]
    assert main(["data", "prepare", *options]) == 0
    assert main(["data", "show", *options, "--out", str(tmp_path / "shown.png")]) == 0
    assert ", test 5" in capsys.readouterr().out
    splits = prepare(folder, (3, 32, 32))
    assert as_rows(splits["test"].images) == as_rows(images[30:])
    assert as_rows(np.concatenate([splits[split].images for split in ("train", "validation")])) == as_rows(images[:30])
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for data in splits.values():
        assert data.labels is not None
        assert [known[image.tobytes()] for image in data.images] == data.labels.tolist()
        assert data.class_names == tuple("0123456")
        assert data.name == "imagenet-tfr"


def test_a_pipe_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "piped").mkdir()
    os.mkfifo(tmp_path / "piped" / "train.tfrecords")
    with pytest.raises(InputError, match="has no images"):
        prepare(tmp_path / "piped", (3, 8, 8))


def test_the_resolution_is_chosen_by_the_name(imagenet: tuple[Path, Images, NDArray[np.int64]]) -> None:
    folder, images, _ = imagenet
    assert as_rows(prepare(folder, (3, 16, 16))["test"].images) == as_rows(images[30:, ::2, ::2])
    with pytest.raises(InputError, match="no training images of 64x64 pixels: --image-shape may have 16x16, 32x32"):
        prepare(folder, (3, 64, 64))


def test_celeba_hq_has_attributes_and_the_label_that_is_always_zero_is_none(tmp_path: Path) -> None:
    images, attributes = pictures(12, 8, 8), np.random.default_rng(0).integers(0, 2, (12, 40)) * 2 - 1
    records = [example(image, 0, row.tolist()) for image, row in zip(images, attributes, strict=True)]
    write_shards(tmp_path / "celeba-tfr" / "train", "train", 3, records[:9], 2)
    write_shards(tmp_path / "celeba-tfr" / "validation", "validation", 3, records[9:], 1)
    test = prepare(tmp_path / "celeba-tfr", (3, 8, 8))["test"]
    assert test.attribute_names == ATTRIBUTE_NAMES
    assert len(ATTRIBUTE_NAMES) == 40
    assert test.attributes is not None
    assert (test.images == images[9:]).all()
    assert (test.attributes == (attributes[9:] > 0)).all()
    assert test.labels is None


def test_realnvp_s_lsun_is_cropped_once(tmp_path: Path) -> None:
    images = [pictures(1, *size, seed=n)[0] for n, size in enumerate([(96, 128)] * 10 + [(150, 96)] * 10)]
    write_shards(tmp_path / "tower" / "train", "train", 6, [example(image, 0) for image in images], 1)
    write_shards(tmp_path / "tower" / "validation", "validation", 6, [example(image, 0) for image in images[:5]], 1)
    splits = prepare(tmp_path / "tower", (3, 64, 64))
    assert splits["test"].name == "tower, random crops"
    for crop, image in zip(splits["test"].images, images, strict=False):
        windows = np.lib.stride_tricks.sliding_window_view(image, (64, 64, 3))
        assert (windows[:, :, 0] == crop).all((2, 3, 4)).sum() == 1
    assert (prepare(tmp_path / "tower", (3, 64, 64), tmp_path / "again")["test"].images == splits["test"].images).all()


def test_96_pixels_stand_under_r06_as_in_the_original(tmp_path: Path) -> None:
    images = pictures(8, 96, 96)
    write_shards(tmp_path / "lsun" / "train", "train", 6, [example(image, 0) for image in images], 1)
    splits = prepare(tmp_path / "lsun", (3, 96, 96))
    assert as_rows(np.concatenate([splits[split].images for split in SPLITS])) == as_rows(images)
    assert splits["train"].name == "lsun"


def test_files_of_karras_are_read(tmp_path: Path) -> None:
    """Channels first, neither label nor attributes, one file for each resolution, and none of validation."""
    images = pictures(12, 8, 8)
    (tmp_path / "celeba-hq").mkdir()
    for level, step in ((3, 1), (2, 2)):
        records = [example(np.ascontiguousarray(image[::step, ::step].transpose(2, 0, 1))) for image in images]
        (tmp_path / "celeba-hq" / f"celeba-hq-r{level:02}.tfrecords").write_bytes(b"".join(map(framed, records)))
    splits = prepare(tmp_path / "celeba-hq", (3, 8, 8))
    assert as_rows(np.concatenate([splits[split].images for split in SPLITS])) == as_rows(images)
    assert all(len(splits[split]) for split in SPLITS)


def test_a_shard_that_is_missing_is_said(imagenet: tuple[Path, Images, NDArray[np.int64]]) -> None:
    folder, *_ = imagenet
    (folder / "train" / "train-r05-s-0001-of-0003.tfrecords").unlink()
    splits = prepare(folder, (3, 32, 32))
    assert splits["train"].name == "imagenet-tfr, 2 of 3 train shards"
    assert len(splits["train"]) + len(splits["validation"]) == 20


def test_a_corrupt_record_is_named(
    imagenet: tuple[Path, Images, NDArray[np.int64]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, *_ = imagenet
    path = folder / "train" / "train-r05-s-0002-of-0003.tfrecords"
    whole, starts = path.read_bytes(), record_file.offsets(path)
    for place, words in (
        (starts[4] + 200, "record 4 (counting from 0), is corrupt: its checksum is wrong"),
        (starts[7], "record 7 (counting from 0), is corrupt: the checksum of its length is wrong"),
        (starts[9] - 1, "record 8 (counting from 0), is corrupt: its checksum is wrong"),
    ):
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        capsys.readouterr()
        assert main(["data", "prepare", str(folder), "--image_shape", "[3, 32, 32]"]) == 2
        assert f"{path.name}, {words}" in capsys.readouterr().err
    for cut in (1, 5, len(whole) - int(starts[9]) - 6):
        path.write_bytes(whole[:-cut])
        with pytest.raises(InputError, match=r"0002-of-0003.tfrecords, record 9 \(counting from 0\), is cut off"):
            prepare(folder, (3, 32, 32))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"\xff\xff\xff", "can't be read"),
        (b"\x0a\x7f", "a field is cut off"),
        (b"", "should have the features shape"),
        (b"\x08\x01", "a number where there should be bytes"),
    ],
)
def test_a_record_of_another_kind_is_named(record: bytes, words: str, tmp_path: Path) -> None:
    write_shards(tmp_path / "other" / "train", "train", 3, [record], 1)
    with pytest.raises(InputError, match=r"0000-of-0001.tfrecords, record 0") as caught:
        prepare(tmp_path / "other", (3, 8, 8))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (example(pictures(1, 8, 8)[0], 0, [1, 1]), "has 2 attributes: here each image has 3"),
        (example(pictures(1, 8, 8)[0], -1, [1, 1, 1]), "has label -1"),
        (example(pictures(1, 8, 8, 2)[0], 0, [1, 1, 1]), r"128 bytes of data make no image of shape \[8, 8, 2\]"),
        (example(pictures(1, 6, 8)[0], 0, [1, 1, 1]), "has 6x8 pixels, fewer than 8x8"),
    ],
)
def test_a_record_that_does_not_fit_is_named(record: bytes, words: str, tmp_path: Path) -> None:
    whole = [example(image, 0, [1, 0, 1]) for image in pictures(5, 8, 8)]
    write_shards(tmp_path / "odd" / "train", "train", 3, [*whole, record], 1)
    with pytest.raises(InputError, match=rf"0000-of-0001.tfrecords, record 5 \(counting from 0\),? .*{words}"):
        prepare(tmp_path / "odd", (3, 8, 8))


def test_numbers_that_are_not_packed_are_read() -> None:
    """As protocol buffers of the second version write a list of numbers: field by field."""
    unpacked = b"\x1a\x04" + b"\x08\x07\x08\x05"  # a feature: int64_list of 7 and 5
    entry = b"\x0a\x01a\x12" + bytes([len(unpacked)]) + unpacked
    features = b"\x0a" + bytes([len(entry)]) + entry
    assert record_file.features(b"\x0a" + bytes([len(features)]) + features, "here") == {"a": [7, 5]}


def test_the_checksum_of_our_own_is_the_library_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for length in (0, 1, 7, 8, 300):
        content = np.random.default_rng(length).bytes(length)
        assert record_file.slow_crc32c(content) == crc32c.value(content)
    records = [b"", bytes(range(256))]
    path = tmp_path / "records"
    path.write_bytes(b"".join(map(framed, records)))
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    monkeypatch.delitem(sys.modules, record_file.__name__)
    assert list(import_module(record_file.__name__).contents(path, 0, 0)) == records
