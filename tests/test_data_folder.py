import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowflow.data import SPLITS, Shape, cache, load, prepare, read_image
from glowflow.errors import InputError


def _gradient(height: int, width: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), np.full_like(x, 60)], -1)
    return Image.fromarray(rgb.astype(np.uint8))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Writes images under tmp_path/pictures, one shade of grey each, and returns that folder."""

    def write(*names: str, size: tuple[int, int] = (8, 8)) -> Path:
        (tmp_path / "pictures").mkdir(exist_ok=True)
        for number, name in enumerate(names):
            path = tmp_path / "pictures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", size, 10 * number + 5).save(path)
        return tmp_path / "pictures"

    return write


def _names(count: int, folder: str = "") -> list[str]:
    return [f"{folder}{number}.png" for number in range(count)]


def test_a_folder_becomes_three_splits_named_by_file(make: Callable[..., Path], tmp_path: Path) -> None:
    splits = prepare(make(*_names(20)), (1, 8, 8), tmp_path / "cache")
    seen = []
    for split in SPLITS:
        data = splits[split]
        assert data.labels is None
        for index in range(len(data)):
            assert (data.images[index] == 10 * int(data.describe(index)[:-4]) + 5).all()
            seen.append(data.describe(index))
    assert sorted(seen) == sorted(_names(20))


def test_the_split_is_stable_when_files_are_added(make: Callable[..., Path], tmp_path: Path) -> None:
    def split_of_each() -> dict[str, str]:
        splits = prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
        return {splits[s].describe(i): s for s in SPLITS for i in range(len(splits[s]))}

    make(*_names(200))
    before = split_of_each()
    make(*_names(30, "new"))
    after = split_of_each()
    assert before.items() <= after.items()
    share = list(before.values()).count("train") / 200
    assert 0.7 < share < 0.9
    assert len(list((tmp_path / "cache").glob("folder-*"))) == 1  # the older version is gone


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_even_few_images_give_every_split_one(count: int, make: Callable[..., Path], tmp_path: Path) -> None:
    splits = prepare(make(*_names(count)), (1, 8, 8), tmp_path / "cache")
    assert all(len(splits[split]) for split in SPLITS)
    assert sum(len(splits[split]) for split in SPLITS) == count


def test_sub_folders_are_labels(make: Callable[..., Path], tmp_path: Path) -> None:
    make(*_names(10, "b/"), *_names(10, "a/deep/"), *_names(10, "c/"))
    splits = prepare(tmp_path / "pictures", (3, 8, 8), tmp_path / "cache")
    for split in SPLITS:
        data = splits[split]
        assert data.class_names == ("a", "b", "c")
        assert data.labels is not None
        assert [data.class_names[k] for k in data.labels] == [data.describe(i)[0] for i in range(len(data))]


def test_folders_that_are_numbers_come_in_their_order(make: Callable[..., Path], tmp_path: Path) -> None:
    make(*(f"{name}/{number}.png" for name in ("10", "9", "a", "01", "2", "B") for number in range(2)))
    splits = prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    assert splits["train"].class_names == ("01", "2", "9", "10", "B", "a")


def test_folders_of_splits_are_kept_and_a_missing_one_is_held_out(make: Callable[..., Path], tmp_path: Path) -> None:
    make(*_names(9, "train/cat/"), *_names(9, "train/dog/"), *_names(2, "val/dog/"), *_names(1, "val/cat/"))
    splits = prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    assert sorted(splits["validation"].describe(i) for i in range(3)) == [
        "val/cat/0.png",
        "val/dog/0.png",
        "val/dog/1.png",
    ]
    assert len(splits["train"]) + len(splits["test"]) == 18
    assert all(splits["test"].describe(i).startswith("train/") for i in range(len(splits["test"])))
    assert splits["train"].class_names == ("cat", "dog")


def test_images_beside_the_splits_are_left_out_aloud(
    make: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = prepare(make(*_names(4, "train/"), "test/0.png", "old/0.png", "1.png"), (1, 8, 8), tmp_path / "cache")
    assert sum(len(splits[split]) for split in SPLITS) == 5
    shown = capsys.readouterr().err
    assert "2 images of" in shown
    assert "left out (in no sub-folder, old)." in shown


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "valid", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "dev", "TEST"),
        ("training", "val", "testing"),
    ],
)
def test_splits_are_known_by_the_names_that_people_use(
    train: str, validation: str, test: str, make: Callable[..., Path], tmp_path: Path
) -> None:
    folders = [train, validation, test]
    make(*(name for folder in folders for name in _names(4, f"{folder}/a/") + _names(4, f"{folder}/b/")))
    splits = prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    for split, folder in zip(SPLITS, folders, strict=True):
        assert len(splits[split]) == 8
        assert all(splits[split].describe(row).startswith(f"{folder}/") for row in range(8))
        assert splits[split].class_names == ("a", "b")


def test_two_folders_of_the_same_split_are_both_taken_aloud(
    make: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(*_names(4, "train/"), *_names(2, "val/"), *_names(3, "valid/"), *_names(1, "test/"))
    splits = prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    assert [len(splits[split]) for split in SPLITS] == [4, 5, 1]
    shown = capsys.readouterr().err
    assert "The images in val and valid of" in shown
    assert "together are the validation split" in shown


def test_labels_need_every_image_to_have_one(
    make: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = prepare(make("stray.png", *_names(5, "a/"), *_names(5, "b/")), (1, 8, 8), tmp_path / "cache")
    assert splits["train"].labels is None
    assert "stray.png" in capsys.readouterr().err


def test_a_changed_file_is_read_again(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make("0.pgm", "1.pgm", "2.pgm", "3.pgm", "4.pgm")
    before = prepare(folder, (1, 8, 8), tmp_path / "cache")
    Image.new("L", (8, 8), 200).save(folder / "3.pgm")  # of the same length in bytes
    os.utime(folder / "3.pgm", ns=(0, 0))
    after = prepare(folder, (1, 8, 8), tmp_path / "cache")
    values = [{int(v) for s in SPLITS for v in splits[s].images[:, 0, 0, 0]} for splits in (before, after)]
    assert values == [{5, 15, 25, 35, 45}, {5, 15, 25, 45, 200}]


def test_hidden_and_other_files_are_ignored(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make(*_names(4), ".hidden.png", ".git/x.png")
    (folder / "notes.txt").write_text("not an image")
    assert sum(len(d) for d in prepare(folder, (1, 8, 8), tmp_path / "cache").values()) == 4


def test_an_unreadable_file_is_named_and_skipped(
    make: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(*_names(11))
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:40])
    splits = prepare(folder, (1, 8, 8), tmp_path / "cache")
    shades = {data.describe(i): int(data.images[i, 0, 0, 0]) for data in splits.values() for i in range(len(data))}
    assert shades == {f"{number}.png": 10 * number + 5 for number in range(11) if number != 5}
    shown = capsys.readouterr().err
    assert "Skipped 5.png" in shown
    assert "Skipped 1 unreadable of 11 files" in shown
    prepare(folder, (1, 8, 8), tmp_path / "cache")
    assert not capsys.readouterr().err  # once in a process
    monkeypatch.setattr(cache, "SAID", set())  # another process
    prepare(folder, (1, 8, 8), tmp_path / "cache")
    assert capsys.readouterr().err == shown


def test_too_many_unreadable_files_stop_it(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make(*_names(12))
    for name in ("4.png", "7.png"):
        (folder / name).write_text("broken")
    with pytest.raises(
        InputError, match=r"More than a tenth of the 12 files .* can't be read \(2 so far\).* 7\.png \(cannot"
    ):
        load(folder, (1, 8, 8), "train", tmp_path / "cache")


@pytest.mark.parametrize(
    ("names", "size", "shape", "words"),
    [
        ([], (8, 8), (1, 8, 8), "has no images"),
        (_names(4), (8, 8), (2, 8, 8), "can't give 2 channels"),
        (_names(4), (8, 6), (1, 8, 8), r"0\.png is smaller, at 8x6 pixels.*8x8.*image-shape"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(
    names: list[str], size: tuple[int, int], shape: Shape, words: str, make: Callable[..., Path]
) -> None:
    folder = make(*names, size=size)
    with pytest.raises(InputError, match=words):
        load(folder, shape, "train", folder.parent / "cache")


def test_a_class_that_is_left_out_is_told(
    make: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(*_names(5, "cats/"), *_names(5, "dogs/"))
    (tmp_path / "pictures" / "eels").mkdir()
    for name in ("cats/clip.MOV", "dogs/1.CR2", "eels/2.cr2", "dogs/notes.txt"):
        (tmp_path / "pictures" / name).write_bytes(b"x")
    prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    shown = capsys.readouterr().err
    assert "2 .cr2 (export camera raw as .jpg or .tif); 1 .mov (save frames of videos as .png); " in shown
    assert "no other images are in eels." in shown
    assert ".txt" not in shown
    prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    assert not capsys.readouterr().err  # once is enough


def test_a_folder_of_nothing_but_what_is_left_out_says_what(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "1.NEF").write_bytes(b"x")
    with pytest.raises(InputError, match=r"has no images that can be read; left out: 1 \.nef \(export camera raw"):
        load(tmp_path / "raw", (1, 8, 8), "train", tmp_path / "cache")


def test_a_folder_named_val_is_a_split_only_beside_train(make: Callable[..., Path], tmp_path: Path) -> None:
    splits = prepare(make(*_names(5, "val/"), *_names(5, "vanilla/")), (1, 8, 8), tmp_path / "cache")
    assert splits["train"].class_names == ("val", "vanilla")


def _save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_crop_comes_first_then_an_antialiased_resize(tmp_path: Path) -> None:
    stripes = np.zeros((40, 120), np.uint8)
    stripes[:, 40:80:2] = 255
    image = read_image(_save(Image.fromarray(stripes), tmp_path / "a.png"), (1, 10, 10))
    # The middle 40x40 is fine stripes, which a reduction to a quarter averages to grey.
    assert abs(image.astype(int) - 128).max() < 12


def test_an_image_of_the_right_size_is_unchanged(tmp_path: Path) -> None:
    picture = _gradient(12, 20)
    assert (read_image(_save(picture, tmp_path / "a.png"), (3, 12, 20)) == np.asarray(picture)).all()


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    path = _save(_gradient(32, 32), tmp_path / "a.jpg", exif=exif, quality=95)
    image = read_image(path, (3, 32, 32)).astype(int)
    expected = np.rot90(np.asarray(_gradient(32, 32)), -1).astype(int)
    assert abs(image - expected).mean() < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_white(mode: str, tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255  # the upper half black, the lower transparent
    image = Image.fromarray(pixels)
    if mode == "P":
        image = image.convert("RGB").convert("P")
        image.putdata([0] * 8 + [1] * 8)
        image.putpalette([0, 0, 0, 9, 9, 9])
        path = _save(image, tmp_path / "a.png", transparency=1)
    else:
        path = _save(image.convert(mode), tmp_path / "a.png")
    assert read_image(path, (3, 4, 4))[:, 0, 0].tolist() == [0, 0, 255, 255]
    assert read_image(path, (1, 4, 4))[:, 0, 0].tolist() == [0, 0, 255, 255]
    assert read_image(path, (4, 4, 4))[:, 0, 3].tolist() == [255, 255, 0, 0]


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)), "a.png", 128),
        (Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)), "a.tif", 128),
        (Image.fromarray(np.full((4, 4), 0.5, np.float32)), "a.tif", 128),
        (Image.fromarray(np.full((4, 4), 77, np.float32)), "a.tif", 77),
        (Image.new("1", (4, 4), 1), "a.png", 255),
        (Image.new("CMYK", (4, 4), (0, 0, 0, 155)), "a.tif", 100),
        (Image.new("L", (4, 4), 42), "a.webp", 42),
    ],
    ids=["16-bit png", "16-bit tif", "float 0-1", "float 0-255", "bilevel", "cmyk", "grey"],
)
def test_any_mode_is_read(image: Image.Image, name: str, expected: int, tmp_path: Path) -> None:
    path = _save(image, tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    for channels in (1, 3):
        pixels = read_image(path, (channels, 4, 4))
        assert pixels.shape == (4, 4, channels)
        assert abs(pixels.astype(int) - expected).max() <= 1


def test_a_decompression_bomb_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _save(Image.new("L", (50, 50)), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="decompression bomb"):
        read_image(path, (1, 8, 8))


def test_a_broken_or_missing_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    for name, sentence in (("a.png", "a.png can't be read as an image"), ("none.png", "There is no file .*none.png")):
        with pytest.raises(InputError, match=sentence):
            read_image(tmp_path / name, (1, 8, 8))


def test_names_that_are_not_unicode_survive(make: Callable[..., Path], tmp_path: Path) -> None:
    folder = make(*_names(3))
    strange = "caf\udce9.png"
    try:
        shutil.copy(folder / "0.png", folder / strange)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes only Unicode names")
    splits = prepare(folder, (1, 8, 8), tmp_path / "cache")
    assert strange in [splits[s].describe(i) for s in SPLITS for i in range(len(splits[s]))]
