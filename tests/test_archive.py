"""Archives give back what was stored, say what they have lost, and lead nowhere else."""

import json
import os
import zlib
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from benchmarks import archive_faults
from benchmarks.archive_faults import damage
from glowflow import Glow, GlowConfig, InputError
from glowflow.cli import main
from glowflow.codec import IntegerModel
from glowflow.codec.archive import CODED, KEPT
from glowflow.codec.digest import SIZE
from glowflow.codec.entries import Entry, packed_entries, packed_times, unpacked_entries, unpacked_times
from glowflow.codec.pictures_alone import pixels_alone
from glowflow.codec.records import LENGTH, Damage, Record, read_records, write_record
from tests.helpers import randomize, sentence

SHAPE = (3, 8, 8)
STORED = str(Path(__file__).parent / "data" / "archive" / "model")
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
        (lambda: png(16, 2), False),
        (lambda: png(4, 0), False),
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


def png(depth: int, colour: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of 8x8 pixels with any depth and type of colour, as Pillow doesn't write it."""
    bits = depth * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    rows = b"".join(b"\0" + bytes(range(8 * row, 8 * row + bits)) for row in range(8))
    header = (8).to_bytes(4, "big") * 2 + bytes([depth, colour, 0, 0, 0])
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in parts
    )


def with_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "A picture"
    return exif


def grey() -> Image.Image:
    return image(0, (8, 8))


MORE_THAN_PIXELS: dict[str, Callable[[], bytes]] = {
    "exif.png": lambda: file(image(), exif=with_exif()),
    "exif grey.png": lambda: file(grey(), exif=with_exif()),
    "exif.jpg": lambda: file(image(), "JPEG", exif=with_exif()),
    "text.png": lambda: file(image(), pnginfo=with_text()),
    "profile.png": lambda: file(image(), icc_profile=b"a profile"),
    "gamma.png": lambda: png(8, 2, (b"gAMA", (45455).to_bytes(4, "big"))),
    "alpha.png": lambda: file(image(0, (8, 8, 4))),
    "alpha grey.png": lambda: file(grey().convert("LA")),
    "transparent colour.png": lambda: file(image(), transparency=(0, 0, 0)),
    "transparent grey.png": lambda: file(grey(), transparency=0),
    "palette.png": lambda: file(image().convert("P")),
    "palette.gif": lambda: file(image().convert("P"), "GIF"),
    "1 bit.png": lambda: png(1, 0),
    "2 bits.png": lambda: png(2, 0),
    "4 bits.png": lambda: png(4, 0),
    "16 bits.png": lambda: png(16, 0),
    "16 bits colour.png": lambda: png(16, 2),
    "16 bits alpha.png": lambda: png(16, 6),
    "16 bits.tiff": lambda: file(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8)), "TIFF"),
    "16 bits.pgm": lambda: b"P5\n8 8\n65535\n" + bytes(128),
    "few levels.ppm": lambda: b"P6\n8 8\n31\n" + bytes(192),
    "comment.ppm": lambda: b"P6\n# a comment\n8 8\n255\n" + bytes(192),
    "two images.ppm": lambda: 2 * file(image(), "PPM"),
    "moving.png": lambda: file(image(), save_all=True, append_images=[image(1)]),
    "moving.webp": lambda: file(image(), "WEBP", save_all=True, append_images=[image(1)], lossless=True),
}


@pytest.mark.parametrize("channels", [1, 3])
def test_files_that_hold_more_than_pixels_come_back_byte_for_byte(
    channels: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With their times, beside an image that the model does code."""
    folder, model, archive = tmp_path / "folder", str(tmp_path / "model"), str(tmp_path / "a.glow")
    Glow(GlowConfig((channels, 8, 8), levels=1, steps=1, width=4)).save_pretrained(model)
    folder.mkdir()
    for number, (name, make) in enumerate(MORE_THAN_PIXELS.items()):
        (folder / name).write_bytes(make())
        os.utime(folder / name, ns=(TIME + number, TIME - number))
    (folder / "pixels.png").write_bytes(png(8, channels - 1))
    assert main(["archive", "create", model, str(folder), archive, "--threads", "1"]) == 0
    assert f"kept     {len(MORE_THAN_PIXELS)} other files" in capsys.readouterr().out
    assert main(["archive", "extract", model, archive, str(tmp_path / "out"), "--threads", "1"]) == 0
    for number, name in enumerate(MORE_THAN_PIXELS):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes(), name
        assert (tmp_path / "out" / name).stat().st_mtime_ns == TIME - number
    with Image.open(tmp_path / "out" / "pixels.png") as found, Image.open(folder / "pixels.png") as expected:
        assert found.tobytes() == expected.tobytes()


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
    assert f": {10 - len(found)} of 10 files " in told
    assert f" lost, and the others are in {tmp_path / 'out'}." in told
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
    assert contents(path) == [b"first", b"\x8bglow\r\n\x1a" * 9, b"third"]
    path.write_bytes(b"rubbish" + data.replace(b"first", b"worst") + b"rest")
    lost = LENGTH + len(b"first")
    found = contents(path)
    assert found == [Damage(0, 7), Damage(7, lost), b"\x8bglow\r\n\x1a" * 9, b"third", Damage(7 + len(data), 4)]


def contents(path: Path) -> list[bytes | Damage]:
    return [record.read() if isinstance(record, Record) else record for record in read_records(path)]


def test_a_large_file_is_read_and_written_in_parts(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It's never in memory as a whole. Here a part is as small as 1000 bytes."""
    monkeypatch.setattr("glowflow.codec.records.READ_AT_ONCE", 1000)
    folder = tmp_path / "films"
    folder.mkdir()
    film = np.random.default_rng(0).bytes(70_001)
    (folder / "film.mp4").write_bytes(film)
    archive = tmp_path / "a.glow"
    assert main(["archive", "create", model, str(folder), str(archive), "--threads", "1"]) == 0
    sizes = [[len(chunk) for chunk in each.chunks()] for each in read_records(archive) if isinstance(each, Record)]
    assert max(map(max, sizes[:-1])) == 1000
    assert sum(map(sum, sizes)) > 70_001
    assert extracted(model, archive, tmp_path / "out")["film.mp4"][0] == film
    archive.write_bytes(archive.read_bytes().replace(film[40_000:40_010], b"0123456789"))
    assert "1 of 1 file is lost" in sentence(capsys, "archive", "verify", model, str(archive), "--threads", "1")


@pytest.mark.parametrize("after", [b"some other lines", b"some"])
def test_a_file_that_changes_while_it_is_stored_is_noticed(after: bytes, tmp_path: Path) -> None:
    source = tmp_path / "growing.log"
    source.write_bytes(b"some lines")
    with pytest.raises(InputError, match=r"growing.log has changed while it was being stored"):
        write_record(Changing(source, after), b"file", b"", source)


def test_a_file_that_grows_while_it_is_stored_is_stored_as_it_was(tmp_path: Path) -> None:
    source, file = tmp_path / "growing.log", tmp_path / "records"
    source.write_bytes(b"some lines")
    with file.open("wb") as opened:
        write_record(opened, b"file", b"", source)
        growing = Changing(source, b"some lines and more")
        write_record(growing, b"file", b"", source)
    assert growing.getvalue() == file.read_bytes()


class Changing(BytesIO):
    """Where a record goes to. The stored file changes with the first write."""

    def __init__(self, source: Path, after: bytes) -> None:
        super().__init__()
        self.source, self.after = source, after

    def write(self, data: Any) -> int:  # noqa: ANN401
        self.source.write_bytes(self.after)
        return super().write(data)


def test_names_and_times_come_back() -> None:
    names = ["a", "ünusual\n/b", "caf\udce9", "x" * 3000, "大"]
    entries = [Entry(name, kind) for name in names for kind in ("", "PNG", "PPM")]
    assert unpacked_entries(packed_entries(entries), len(entries)) == entries
    times = [0, 2**63 - 1, -(2**63), TIME, TIME + 1, -1]
    assert unpacked_times(packed_times(times), len(times)) == times
    assert unpacked_times(packed_times([2**70, -(2**70)]), 2) == [2**63 - 1, -(2**63)]


def test_another_model_is_refused_and_nothing_written(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    Glow(GlowConfig(SHAPE, levels=1, steps=1, width=8)).save_pretrained(other)
    for command in (("extract", other, archive, tmp_path / "out"), ("verify", other, archive)):
        told = sentence(capsys, "archive", *map(str, command))
        assert "coded with another model, of digest" in told
    assert not (tmp_path / "out").exists()


def kept(name: str, kind: str = "") -> tuple[bytes, bytes]:
    """A record with a file of this name."""
    return listed(packed_entries([Entry(name, kind)]))


def listed(names: bytes, times: bytes = packed_times([0])) -> tuple[bytes, bytes]:
    """A record with a file, and with these bytes for its name and its time."""
    return b"file", KEPT.pack(len(names), len(times)) + names + times + b"!"


def coded(count: int, names: bytes) -> tuple[bytes, bytes]:
    """A record of images with these bytes for their names, and with no images."""
    return b"imgs", CODED.pack(bytes(SIZE), count, len(names), 1, 1, 0) + names


BOMB = zlib.compress(bytes(10**8))
HEAD = (b"head", json.dumps({"version": 1, "files": 1}).encode())
HOSTILE = {
    "a path that leaves the folder": [kept("../out")],
    "an absolute path": [kept("/out")],
    "a detour": [kept("a/./b")],
    "no name": [kept("")],
    "a zero in a name": [kept("a\0b")],
    "a name twice": [kept("a"), kept("a")],
    "a file as a folder": [kept("a"), kept("a/b")],
    "a folder as a file": [kept("a/b"), kept("a")],
    "an unknown format": [kept("a", "EPS")],
    "a name that is no text": [listed(zlib.compress(b"\xff\0"))],
    "no kind": [listed(zlib.compress(b"a"))],
    "names that aren't compressed": [listed(b"abcd")],
    "a bomb of a name": [listed(BOMB)],
    "no time": [listed(packed_entries([Entry("a", "")]), b"")],
    "two times": [listed(packed_entries([Entry("a", "")]), packed_times([0, 0]))],
    "a bomb of a time": [listed(packed_entries([Entry("a", "")]), BOMB)],
    "no images": [coded(0, packed_entries([Entry("a", "PNG")]))],
    "fewer images": [coded(1, packed_entries([Entry("a", "PNG")] * 2))],
    "more images": [coded(2, packed_entries([Entry("a", "PNG")]))],
    "too many images": [coded(2**32 - 1, BOMB)],
    "a short block": [(b"imgs", b"")],
    "a short file": [(b"file", b"\xff\xff")],
    "another kind of record": [(b"what", b"")],
    "deep nesting": [(b"head", b"[" * 100_000)],
    "a head that is no head": [(b"head", b"[1]")],
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
    assert "isn't as glowflow writes it" in told or "another version" in told
    assert {each.name for each in tmp_path.iterdir()} <= {"hostile.glow", "place"}
    assert not out.exists()


@pytest.mark.parametrize("count", [1, 2**16])
def test_images_that_are_not_there_are_refused(
    count: int, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block with the right digest, whose stream has nothing on it."""
    path = tmp_path / "hostile.glow"
    digest = IntegerModel(Glow.from_pretrained(model)).digest
    names = packed_entries(Entry(f"{number}.png", "PNG") for number in range(count))
    heads = (1 << 16).to_bytes(4, "little") * 128
    way = CODED.pack(digest, count, len(names), 1, 128, 0)
    with path.open("wb") as opened:
        write_record(opened, *HEAD)
        write_record(opened, b"imgs", way + names + bytes(-(-count // 8)) + heads)
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


def test_damage_at_random_places_costs_exactly_what_it_hits() -> None:
    """A short version of `python -m benchmarks.archive_faults damage`."""
    found = damage(STORED, times=12, seed=1)
    assert found["wrong"] == []
    assert found["files_lost"] > 0


def test_fuzzed_archives_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    """A short version of `python -m benchmarks.archive_faults fuzz`."""
    told = Counter[str]()
    data = archive_faults.made(STORED, tmp_path / "folder")
    (tmp_path / "inside").mkdir()
    for number in range(40):
        (tmp_path / "fuzzed.glow").write_bytes(archive_faults.fuzzed(f"test {number}", data))
        command = archive_faults.COMMANDS[number % len(archive_faults.COMMANDS)]
        assert not archive_faults.harm(STORED, tmp_path / "fuzzed.glow", tmp_path / "inside", command, told)
    assert len(told) > 3
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "folder.glow", "fuzzed.glow", "inside"}
