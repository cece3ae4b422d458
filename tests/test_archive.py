"""Archives give back what was stored, say what they have lost, and lead nowhere else."""

import json
import os
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from glowflow import Glow, GlowConfig
from glowflow.cli import main
from glowflow.codec import IntegerModel
from glowflow.codec.pictures_alone import pixels_alone
from glowflow.codec.records import LENGTH, Damage, Record, read_records, write_record
from tests.helpers import randomize, sentence

SHAPE = (3, 8, 8)
TIME = 1_234_567_890_123_456_789


@pytest.fixture(name="model", scope="module")
def _model(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny"
    randomize(Glow(GlowConfig(SHAPE, levels=2, steps=1, width=8, num_bits=5)), 0.05).save_pretrained(path)
    return str(path)


def image(seed: int = 0, shape: tuple[int, ...] = (8, 8, 3)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 32, shape, np.uint8) * 8)


def file(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Images that the model can code, in two folders, and others; one of each has a time of long ago."""
    folder = tmp_path / "pictures"
    (folder / "more" / "and more").mkdir(parents=True)
    for seed in range(7):
        (folder / f"{seed}.png").write_bytes(file(image(seed)))
    (folder / "more" / "and more" / "ünusual\nname.ppm").write_bytes(file(image(7), "PPM"))
    (folder / "more" / "photo.jpg").write_bytes(file(image(8, (30, 20, 3)), "JPEG"))
    (folder / "more" / "empty").touch()
    for name in ("3.png", "more/photo.jpg"):
        os.utime(folder / name, ns=(TIME, TIME))
    return folder


def stored(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of each file; pixels in the place of an image's content."""
    return {
        path.relative_to(folder).as_posix(): (content(path), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def content(path: Path) -> bytes:
    if path.suffix not in {".png", ".ppm"}:
        return path.read_bytes()
    with Image.open(path) as opened:
        return f"{opened.format} {opened.mode} {opened.size}".encode() + opened.tobytes()


@pytest.fixture(name="archive")
def _archive(model: str, folder: Path, tmp_path: Path) -> Path:
    """An archive of the folder, with blocks of three images."""
    path = tmp_path / "pictures.glow"
    assert main(["archive", "create", model, str(folder), str(path), "--block", "3", "--threads", "1"]) == 0
    return path


def extracted(model: str, archive: Path, out: Path) -> dict[str, tuple[bytes, int]]:
    main(["archive", "extract", model, str(archive), str(out), "--threads", "1"])
    return stored(out)


def test_a_folder_comes_back(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert extracted(model, archive, tmp_path / "out") == stored(folder)
    assert "10 files" in capsys.readouterr().out
    assert (tmp_path / "out" / "3.png").stat().st_mtime_ns == TIME
    assert main(["archive", "verify", model, str(archive), "--threads", "1"]) == 0


def test_the_report_counts_what_the_model_coded(model: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The archive itself is in the folder, too, and left out."""
    out = folder / "inside.glow"
    for _ in range(2):
        assert main(["archive", "create", model, str(folder), str(out), "--threads", "1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("coded    8 images, ")
        assert lines[2].startswith("kept     2 other files, ")
        assert lines[3].startswith(f"written  {out}, {out.stat().st_size:,} bytes; the files have ")


def test_the_list_takes_no_model(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["archive", "list", str(archive)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert {"coded  3.png", "kept   more/photo.jpg", "coded  'more/and more/ünusual\\nname.ppm'"} < set(lines)


def test_names_in_other_encodings_come_back(model: str, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")).write_bytes(file(image()))
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    assert main(["archive", "create", model, str(folder), str(tmp_path / "a.glow"), "--threads", "1"]) == 0
    assert extracted(model, tmp_path / "a.glow", tmp_path / "out") == stored(folder)


def test_an_empty_folder_is_a_folder(model: str, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert main(["archive", "create", model, str(tmp_path / "none"), str(tmp_path / "a.glow")]) == 0
    assert main(["archive", "verify", model, str(tmp_path / "a.glow")]) == 0


def test_the_same_folder_gives_the_same_bytes(model: str, folder: Path, archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.glow"
    assert main(["archive", "create", model, str(folder), str(again), "--block", "3", "--threads", "1"]) == 0
    assert again.read_bytes() == archive.read_bytes()


@pytest.mark.parametrize(
    ("make", "is_coded"),
    [
        (lambda: file(image()), True),
        (lambda: file(image(), "PPM"), True),
        (lambda: file(image(), optimize=True), True),
        (lambda: file(image()) + b"more", False),
        (lambda: file(image())[:-1], False),
        (lambda: file(image(), dpi=(72, 72)), False),
        (lambda: file(image(), exif=Image.Exif()), True),
        (lambda: file(image(), pnginfo=with_text()), False),
        (lambda: file(image().convert("RGBA")), False),
        (lambda: file(image().convert("P")), False),
        (lambda: file(image().convert("L")), False),
        (lambda: file(image(), "BMP"), False),
        (lambda: file(image(), "JPEG"), False),
        (lambda: file(image(0, (8, 10, 3))), False),
        (lambda: file(Image.fromarray(np.full((8, 8, 3), 9, np.uint8))), False),
        (lambda: b"P6\n# comment\n8 8\n255\n" + bytes(192), False),
        (lambda: b"P6\n8 8\n65535\n" + bytes(384), False),
        (lambda: b"P6\n8 8\n255\n" + bytes(192), True),
        (lambda: b"P6\n99999999 99999999\n255\n", False),
        (lambda: b"", False),
        (lambda: b"\x89PNG\r\n\x1a\n", False),
    ],
)
def test_only_pixels_alone_are_coded(make: Callable[[], bytes], *, is_coded: bool) -> None:
    assert (pixels_alone(make(), SHAPE, 5) is not None) == is_coded


def with_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "A picture")
    return info


def test_a_grey_image_of_a_model_of_one_channel() -> None:
    found = pixels_alone(file(image(0, (4, 6))), (1, 4, 6), 5)
    assert found
    assert np.array_equal(found[1][0], np.asarray(image(0, (4, 6))))
    assert pixels_alone(file(Image.fromarray(np.full((4, 6), 300, np.uint16))), (1, 4, 6), 8) is None


def test_damage_costs_what_it_hits(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of many changed bytes is reported, and costs three files at most. The others come back."""
    expected, data = stored(folder), archive.read_bytes()
    for number, place in enumerate(np.linspace(0, len(data) - 1, 30).astype(int)):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        archive.write_bytes(damaged)
        out = tmp_path / f"out {number}"
        told = sentence(capsys, "archive", "extract", model, str(archive), str(out), "--threads", "1")
        found = stored(out)
        assert " is damaged (" in told
        assert len(found) >= len(expected) - 3
        assert found.items() <= expected.items()


def test_a_truncated_archive_gives_what_it_has(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, expected = archive.read_bytes(), stored(folder)
    archive.write_bytes(data[: len(data) - LENGTH])  # without the last record
    told = sentence(capsys, "archive", "verify", model, str(archive), "--threads", "1")
    assert told.endswith("is damaged (its end is missing): 0 of 10 files are lost, and the others are intact.")
    archive.write_bytes(data[: len(data) // 2])
    told = sentence(capsys, "archive", "extract", model, str(archive), str(tmp_path / "out"), "--threads", "1")
    found = stored(tmp_path / "out")
    assert 0 < len(found) < 10
    assert f": {10 - len(found)} of 10 files are lost, and the others are in {tmp_path / 'out'}." in told
    assert found.items() < expected.items()


def test_an_archive_of_the_first_version_is_read_for_ever(tmp_path: Path) -> None:
    """It holds 200 images that a formula makes, in two blocks, and a text."""
    data = Path(__file__).parent / "data" / "archive"
    found = extracted(str(data / "model"), data / "images.glow", tmp_path / "out")
    k, i, j = np.indices((200, 8, 8))
    expected = (100 + 3 * i + 2 * j + k % 7 + (i * j * k) % 5).astype(np.uint8)
    assert found.pop("notes.txt") == (b"kept\n", 0)
    assert found == {f"{n}.png": (b"PNG L (8, 8)" + expected[n].tobytes(), n * 10**9) for n in range(200)}


def test_records_are_found_again_after_damage(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with path.open("wb") as opened:
        for content in (b"first", b"\x8bglow\r\n\x1a" * 9, b"third"):
            write_record(opened, b"kind", content)
    data = path.read_bytes()
    assert list(read_records(path))[2] == Record(b"kind", b"third")
    path.write_bytes(b"rubbish" + data.replace(b"first", b"worst") + b"rest")
    lost = LENGTH + len(b"first")
    *found, last = read_records(path)
    assert found[0] == Damage(0, 7)
    assert found[1] == Damage(7, lost)
    assert [record.content for record in found[2:] if isinstance(record, Record)] == [b"\x8bglow\r\n\x1a" * 9, b"third"]
    assert last == Damage(7 + len(data), 4)


def test_another_model_is_refused_and_nothing_written(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    Glow(GlowConfig(SHAPE, levels=1, steps=1, width=8)).save_pretrained(other)
    for command in (("extract", other, archive, tmp_path / "out"), ("verify", other, archive)):
        told = sentence(capsys, "archive", *map(str, command))
        assert "coded with another model, of digest" in told
    assert not (tmp_path / "out").exists()


def index(*entries: object) -> bytes:
    return compressed(json.dumps(entries).encode())


def compressed(text: bytes) -> bytes:
    packed = zlib.compress(text)
    return len(packed).to_bytes(4, "little") + packed


HEAD = (b"head", json.dumps({"version": 1, "files": 1}).encode())
HOSTILE = {
    "a path that leaves the folder": [(b"file", index(["../out", 0, ""]) + b"!")],
    "an absolute path": [(b"file", index(["/out", 0, ""]) + b"!")],
    "a detour": [(b"file", index(["a/./b", 0, ""]) + b"!")],
    "no name": [(b"file", index(["", 0, ""]) + b"!")],
    "a zero in a name": [(b"file", index(["a\0b", 0, ""]) + b"!")],
    "a name twice": [(b"file", index(["a", 0, ""]) + b"!")] * 2,
    "a file as a folder": [(b"file", index(["a", 0, ""])), (b"file", index(["a/b", 0, ""]))],
    "a folder as a file": [(b"file", index(["a/b", 0, ""])), (b"file", index(["a", 0, ""]))],
    "no entry": [(b"file", index())],
    "no list": [(b"file", compressed(b"1"))],
    "an unknown format": [(b"imgs", bytes(20) + index(["a", 0, "EPS"]))],
    "no index": [(b"file", b"\xff\xff")],
    "an index that isn't compressed": [(b"file", b"\x04\0\0\0abcd")],
    "a bomb": [(b"file", compressed(b" " * 10**8))],
    "a short block": [(b"imgs", b"")],
    "deep nesting": [(b"head", b"[" * 100_000)],
    "a later version": [(b"head", b'{"version": 2, "files": 1}')],
}


@pytest.mark.parametrize("records", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused(
    records: list[tuple[bytes, bytes]], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "hostile.glow", tmp_path / "place" / "out"
    with path.open("wb") as opened:
        for kind, content in (HEAD, *records):
            write_record(opened, kind, content)
    told = sentence(capsys, "archive", "extract", model, str(path), str(out), "--threads", "1")
    assert "isn't as glowflow writes archives" in told or "another version" in told
    assert {each.name for each in tmp_path.iterdir()} <= {"hostile.glow", "place"}
    assert not out.exists()


@pytest.mark.parametrize("count", [1, 2**16])
def test_images_that_are_not_there_are_refused(
    count: int, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block with the right digest, whose stream has nothing on it."""
    path = tmp_path / "hostile.glow"
    digest = IntegerModel(Glow.from_pretrained(model)).digest
    entries = index(*([f"{number}.png", 0, "PNG"] for number in range(count)))
    heads = (1 << 16).to_bytes(4, "little") * 128
    with path.open("wb") as opened:
        write_record(opened, *HEAD)
        write_record(opened, b"imgs", digest + b"\1\0" + b"\x80\0" + entries + bytes(count // 8 + 1) + heads)
    told = sentence(capsys, "archive", "extract", model, str(path), str(tmp_path / "out"), "--threads", "1")
    assert "The compressed images are damaged" in told


def test_what_is_no_archive_is_refused(
    model: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = folder / "0.png"
    for words in (["list", picture], ["verify", model, picture], ["extract", model, picture, tmp_path / "out"]):
        assert "is no archive" in sentence(capsys, "archive", *map(str, words))
    assert "missing.glow" in sentence(capsys, "archive", "list", str(folder / "missing.glow"))
    assert not (tmp_path / "out").exists()


def test_mistakes_are_named(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = archive.read_bytes()
    assert "--block is 0" in sentence(capsys, "archive", "create", model, str(folder), str(archive), "--block", "0")
    assert "is no folder" in sentence(capsys, "archive", "create", model, str(archive), str(tmp_path / "x.glow"))
    assert "No model in" in sentence(capsys, "archive", "create", "nothing-here", str(folder), str(archive))
    assert "is not empty" in sentence(capsys, "archive", "extract", model, str(archive), str(folder))
    assert archive.read_bytes() == before
