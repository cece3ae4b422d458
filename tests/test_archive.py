"""Archives give back what was stored, say what they have lost, and lead nowhere else."""

import errno
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from itertools import count
from pathlib import Path
from stat import S_IMODE
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from benchmarks import archive_faults
from benchmarks.archive_faults import damage
from glowflow import Glow, GlowConfig, InputError
from glowflow.cli import main
from glowflow.codec import IntegerModel
from glowflow.codec.archive import CODED, KEPT, Contents, File, read
from glowflow.codec.archive_writer import Writer
from glowflow.codec.digest import SIZE, digest
from glowflow.codec.entries import Entry, packed_entries, packed_times, unpacked_entries, unpacked_times
from glowflow.codec.folder import files_of, restore, unfit
from glowflow.codec.head import Head
from glowflow.codec.pictures_alone import DAMAGED, MORE, pixels_alone
from glowflow.codec.records import LENGTH, MARK, Damage, DamagedError, Record, read_records, write_record
from glowflow.codec.stream import Stream
from glowflow.errors import counted
from glowflow.threads import restored
from tests import golden_archive
from tests.helpers import randomize, sentence

SHAPE = (3, 8, 8)
STORED = str(golden_archive.PLACE / "model")
TIME = 1_234_567_890_123_456_789
ROWS = (b"\0" + bytes(range(0, 192, 8))) * 8
"""The rows of a PNG file of 8x8 pixels in RGB, of 5 bits."""


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
    if path.suffix not in {".png", ".ppm", ".pgm"}:
        return path.read_bytes()
    with Image.open(path) as opened:
        return f"{opened.format} {opened.mode} {opened.size}".encode() + opened.tobytes()


@pytest.fixture(name="archive")
def _archive(model: str, folder: Path, tmp_path: Path) -> Path:
    """An archive of the folder, with blocks of three images."""
    path = tmp_path / "pictures.glow"
    assert main(["archive", "create", model, str(folder), str(path), "--block", "3", "--threads", "1"]) == 0
    return path


def flipped(data: bytes, place: int) -> bytes:
    """Data with another bit."""
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


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
    """The archive itself is in the folder, too, and left out; so is what an earlier attempt, which was killed, left."""
    out, size = folder / "inside.glow", sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    (folder / ".inside.glow.partial").write_bytes(b"a part")
    for _ in range(2):
        assert main(["archive", "create", model, str(folder), str(out), "--replace", "--threads", "1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("coded    8 images, ")
        assert lines[2].startswith("kept     2 other files, ")
        assert lines[5] == f"written  {out}, {out.stat().st_size:,} bytes; the files have {size:,}"


def test_the_report_says_why_files_are_kept(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of 5 bits is used for images of 8 bits, for example."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, brightness in enumerate((9, 10, 11)):
        (folder / f"{number}.png").write_bytes(file(Image.fromarray(np.full((8, 8, 3), brightness, np.uint8))))
    (folder / "large.png").write_bytes(file(image(0, (8, 9, 3))))
    assert main(["archive", "create", model, str(folder), str(tmp_path / "a.glow"), "--threads", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        f"kept     4 other files, {sum(each.damage.length for each in files(tmp_path)):,} bytes",
        "reasons  values that aren't multiples of 8 (3, such as 0.png); another size (1, such as large.png)",
        "model    codes PNG and PPM files of 8x8 pixels in RGB whose values are multiples of 8",
    ]


def files(place: Path) -> list[Record]:
    """The records of files in the archive a.glow."""
    return [each for each in read_records(place / "a.glow") if isinstance(each, Record) and each.kind == b"file"]


def test_the_list_takes_no_model(model: str, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the model, which is needed for the images."""
    capsys.readouterr()
    assert main(["archive", "list", str(archive)]) == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    digest, name = IntegerModel(Glow.from_pretrained(model)).digest.hex(), f"{Path(model).parent.name}/tiny"
    assert first == f"model  {name}, images of shape 3x8x8 and 5 bits, digest {digest}"
    assert len(lines) == 10
    coded = sum(line.startswith("coded") for line in lines)
    assert last == f"total  {coded} coded, {10 - coded} kept, {archive.stat().st_size:,} bytes"
    assert {"coded  3.png", "kept   more/photo.jpg", "coded  'more/and more/ünusual\\nname.ppm'"} < set(lines)
    assert main(["archive", "verify", model, str(archive), "--threads", "1"]) == 0
    assert first.removeprefix("model  ") in capsys.readouterr().out


def test_single_files_come_back(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that the model hasn't coded come back without it, and damage elsewhere doesn't matter."""
    extract, out = ("archive", "extract"), tmp_path / "out"
    words = [str(archive), str(out), "--only", "more/*", "--only", "3.png", "--threads", "1"]
    assert main([*extract, model, *words]) == 0
    assert stored(out) == {name: each for name, each in stored(folder).items() if "/" in name or name == "3.png"}
    told = sentence(capsys, *extract, "nothing-here", str(archive), str(tmp_path / "none"))
    assert "No model in nothing-here" in told
    assert f"The archive was made with {Path(model).parent.name}/tiny, images of shape 3x8x8 and 5 bits" in told
    data = archive.read_bytes()
    archive.write_bytes(flipped(data, len(data) - LENGTH - 1))
    words = [str(archive), str(tmp_path / "kept"), "--only", "*.jpg"]
    assert main([*extract, "nothing-here", *words]) == 0
    assert list(stored(tmp_path / "kept")) == ["more/photo.jpg"]
    told = sentence(capsys, *extract, model, str(archive), str(tmp_path / "none"), "--only", "?.png")
    assert " fits --only '?.png'." in told  # only * stands for others
    told = sentence(capsys, *extract, model, str(archive), str(tmp_path / "none"), "--only", "*.tiff")
    assert " fits --only '*.tiff'. Give a name that glowflow archive list shows" in told
    assert not (tmp_path / "none").exists()


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
        (lambda: png(8, 2), True),
        (lambda: png(8, 2, rows=zlib.compress(ROWS) + b"hidden"), False),
        (lambda: png(8, 2, rows=zlib.compress(ROWS + b"hidden")), False),
        (lambda: png(8, 2, rows=zlib.compress(ROWS)[:-4]), False),
        (lambda: png(8, 2, rows=zlib.compress(ROWS)[:-4] + bytes(4)), False),
        (lambda: png(8, 2, (b"IDAT", zlib.compress(ROWS)), rows=b"hidden"), False),
        (lambda: png(8, 2, last=b"hidden"), False),
        (lambda: png(8, 2, interlaced=1), False),
        (lambda: png(16, 2), False),
        (lambda: png(4, 0), False),
        (lambda: b"P6\n8 8\n255\n" + bytes(192), True),
        (lambda: b"P6\n99999999 99999999\n255\n", False),
        (lambda: b"", False),
        (lambda: b"\x89PNG\r\n\x1a\n", False),
    ],
)
def test_only_pixels_alone_are_coded(make: Callable[[], bytes], *, is_coded: bool) -> None:
    assert isinstance(pixels_alone(make(), SHAPE, 5), tuple) == is_coded


def with_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "A picture")
    return info


def test_a_grey_image_of_a_model_of_one_channel() -> None:
    found = pixels_alone(file(image(0, (4, 6))), (1, 4, 6), 5)
    assert isinstance(found, tuple)
    assert np.array_equal(found[1][0], np.asarray(image(0, (4, 6))))
    assert isinstance(pixels_alone(file(Image.fromarray(np.full((4, 6), 300, np.uint16))), (1, 4, 6), 8), str)


def png(
    depth: int, colour: int, *chunks: tuple[bytes, bytes], rows: bytes = b"", interlaced: int = 0, last: bytes = b""
) -> bytes:
    """A PNG file of 8x8 pixels with any depth and type of colour, as Pillow doesn't write it."""
    bits = depth * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    usual = ROWS if (depth, colour) == (8, 2) else b"".join(b"\0" + bytes(range(8 * y, 8 * y + bits)) for y in range(8))
    header = (8).to_bytes(4, "big") * 2 + bytes([depth, colour, 0, 0, interlaced])
    parts = [(b"IHDR", header), *chunks, (b"IDAT", rows or zlib.compress(usual)), (b"IEND", last)]
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
    assert told.endswith("is damaged (its end is missing): no file is lost, and all 10 are intact.")
    archive.write_bytes(data[: len(data) // 2])
    told = sentence(capsys, "archive", "extract", model, str(archive), str(tmp_path / "out"), "--threads", "1")
    place = re.search(r"damaged \(([\d,]+) bytes from byte ([\d,]+) on; its end is missing or damaged\): ", told)
    assert place is not None
    assert sum(int(number.replace(",", "")) for number in place.groups()) == len(data) // 2
    found = stored(tmp_path / "out")
    assert 0 < len(found) < 10
    assert f": {10 - len(found)} of 10 files " in told
    assert f" of these are lost, too. The others are in {tmp_path / 'out'}." in told
    assert found.items() < expected.items()
    told = sentence(capsys, "archive", "list", str(archive))
    assert f": {10 - len(found)} of 10 files " in told


def test_lost_files_are_named(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names have a checksum of their own. They're printed, a line for each."""
    photo, data = (folder / "more" / "photo.jpg").read_bytes(), archive.read_bytes()
    archive.write_bytes(data.replace(photo[50:60], bytes(10)))
    told, lost = lost_in(capsys, "extract", model, str(archive), str(tmp_path / "out"))
    assert "1 of 10 files is lost. The others are in" in told
    assert lost == ["more/photo.jpg"]
    assert "more/photo.jpg" not in stored(tmp_path / "out")
    archive.write_bytes(flipped(data, 20))
    told = sentence(capsys, "archive", "verify", model, str(archive), "--threads", "1")
    assert "some files may be lost, because nothing says how many there were. The others are intact." in told
    archive.write_bytes(flipped(data.replace(photo[50:60], bytes(10)), 20))
    told, lost = lost_in(capsys, "verify", model, str(archive))
    assert ": 1 file is lost, and perhaps more, because nothing says how many there were." in told
    assert lost == ["more/photo.jpg"]


def lost_in(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, list[str]]:
    """What a command says of a damaged archive, and the names of lost files that it prints."""
    capsys.readouterr()
    assert main(["archive", *words, "--threads", "1"]) == 2
    out, err = capsys.readouterr()
    return " ".join(err.split()), [line[6:] for line in out.splitlines() if line.startswith("lost  ")]


def test_damage_elsewhere_does_not_matter_to_those_who_want_single_files(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But names that are lost may be those that were asked for."""
    photo, data = (folder / "more" / "photo.jpg").read_bytes(), archive.read_bytes()
    extract = ("archive", "extract", model, str(archive))
    archive.write_bytes(data.replace(photo[50:60], bytes(10)) + b"!")
    assert main([*extract, str(tmp_path / "a"), "--only", "3.png", "--threads", "1"]) == 0
    assert list(stored(tmp_path / "a")) == ["3.png"]
    told = " ".join(capsys.readouterr().err.split())
    assert f"is damaged (1 byte from byte {len(data):,} on), but all files that you asked for are in" in told
    words = ("--only", "more/*.jpg", "--only", "3.png")
    told = sentence(capsys, *extract, str(tmp_path / "b"), *words, "--threads", "1")
    assert ": 1 file that you asked for is lost." in told
    archive.write_bytes(flipped(data, data.index(photo) - 1))  # its name is damaged
    told = sentence(capsys, *extract, str(tmp_path / "c"), "--only", "*.png", "--threads", "1")
    assert ": names are lost, too, and you may have asked for some of them." in told
    told = sentence(capsys, *extract, str(tmp_path / "d"), "--only", "more/photo.jpg", "--threads", "1")
    assert told.endswith("The archive is damaged, and it may have had such a file.")


def test_a_block_that_cannot_be_decoded_costs_only_its_files(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its checksum is right, as when another machine had computed other numbers."""
    records = [(each, each.read()) for each in read_records(archive) if isinstance(each, Record)]
    worst = next(each for each, _ in records if each.kind == b"imgs")
    with archive.open("wb") as opened:
        for each, content in records:
            changed = flipped(content, len(content) // 2) if each is worst else content
            write_record(opened, each.kind, each.index, changed, each.number)
    told = sentence(capsys, "archive", "extract", model, str(archive), str(tmp_path / "out"), "--threads", "1")
    assert "3 of 10 files are lost" in told
    found = stored(tmp_path / "out")
    assert len(found) == 7
    assert found.items() < stored(folder).items()


def test_an_archive_of_the_first_version_is_read_for_ever(tmp_path: Path) -> None:
    """`python -m tests.golden_archive` made it. It must not be made again once a version has been released."""
    found = extracted(STORED, golden_archive.PLACE / "images.glow", tmp_path / "out")
    golden_archive.fill(tmp_path / "expected")
    assert found == stored(tmp_path / "expected")
    assert len(found) == golden_archive.COUNT + 1


@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng compresses names and times in another way")
def test_the_same_archive_is_written_for_ever(tmp_path: Path) -> None:
    golden_archive.fill(tmp_path / "images")
    words = [STORED, tmp_path / "images", tmp_path / "a.glow", "--block", golden_archive.BLOCK, "--threads", 1]
    assert main(["archive", "create", *map(str, words)]) == 0
    assert (tmp_path / "a.glow").read_bytes() == (golden_archive.PLACE / "images.glow").read_bytes()


def test_records_are_found_again_after_damage(tmp_path: Path) -> None:
    """The second one has the marks of records in it, with which none begins."""
    path, marks = tmp_path / "records", MARK * 9
    with path.open("wb") as opened:
        for content in (b"first", marks, b"third"):
            write_record(opened, b"kind", b"index", content)
    data, length = path.read_bytes(), LENGTH + len(b"index")
    assert contents(path) == [b"first", marks, b"third"]
    path.write_bytes(b"rubbish" + data.replace(b"first", b"worst") + b"rest")
    lost = Damage(7, length + len(b"first"))
    assert contents(path) == [Damage(0, 7), lost, marks, b"third", Damage(7 + len(data), 4)]
    for other in (b"fir", b"not the first"):
        path.write_bytes(data.replace(b"first", other))
        assert contents(path) == [Damage(0, length + len(b"first")), marks, b"third"]
    second = length + len(b"first")
    path.write_bytes(data[: second + 20] + b"!" + data[second + 21 :])
    assert contents(path) == [b"first", Damage(second, length + len(marks)), b"third"]
    path.write_bytes(data[:-1])
    assert contents(path) == [b"first", marks, Damage(len(data) - length - 5, length + 5)]


def contents(path: Path) -> list[bytes | Damage]:
    """The content of each record, or where it's damaged."""
    found: list[bytes | Damage] = []
    for record in read_records(path):
        if isinstance(record, Damage):
            found.append(record)
        else:
            found.append(record.read() if record.is_intact() else record.damage)
    return found


@pytest.mark.parametrize("place", ["header", "index", "content"])
def test_the_records_of_a_file_within_a_file_are_not_taken_for_its_own(place: str, tmp_path: Path) -> None:
    """Wherever it's damaged: in the header, in the index or in the content of the record that has it."""
    inner, path = tmp_path / "inner", tmp_path / "records"
    with inner.open("wb") as opened:
        for content in (b"inner first", b"inner second"):
            write_record(opened, b"kind", b"", content, number=1)
    with path.open("wb") as opened:
        write_record(opened, b"kind", b"", b"first", number=2)
        write_record(opened, b"kind", b"index", inner, number=2)
        write_record(opened, b"kind", b"", b"last", number=2)
    data = path.read_bytes()
    start = LENGTH + len(b"first")
    at = start + {"header": 9, "index": LENGTH, "content": LENGTH + len(b"index") + LENGTH}[place]
    path.write_bytes(flipped(data, at))
    assert contents(path) == [b"first", Damage(start, LENGTH + len(b"index") + inner.stat().st_size), b"last"]
    path.write_bytes(data[: at + LENGTH + 12])
    assert b"inner first" not in contents(path)


def nested(model: str, folder: Path, archive: Path, name: str) -> tuple[bytes, dict[str, tuple[bytes, int]]]:
    """Put an archive into its folder, and make it again: its bytes, and what is stored in it."""
    (folder / name).write_bytes(archive.read_bytes())
    main(["archive", "create", model, str(folder), str(archive), "--replace", "--block", "3", "--threads", "1"])
    return archive.read_bytes(), stored(folder)


def test_a_damaged_archive_within_an_archive_costs_nothing_else(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds files of the same names, coded with the same model."""
    data, expected = nested(model, folder, archive, "older.glow")
    inside = data.index((folder / "older.glow").read_bytes())
    for number, place in enumerate((inside + 20, inside + 700, inside - LENGTH + 10)):
        archive.write_bytes(flipped(data, place))
        out = tmp_path / f"out {number}"
        told = sentence(capsys, "archive", "extract", model, str(archive), str(out), "--threads", "1")
        assert "1 of 11 files is lost" in told
        assert stored(out) == {name: each for name, each in expected.items() if name != "older.glow"}


def test_an_archive_without_its_beginning_is_not_taken_for_the_one_within_it(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the end is damaged, too, nothing tells which files are whose."""
    data, expected = nested(model, folder, archive, "0.glow")
    archive.write_bytes(bytes(LENGTH) + data[LENGTH:])
    told = sentence(capsys, "archive", "extract", model, str(archive), str(tmp_path / "out"), "--threads", "1")
    assert "some files may be lost, because nothing says how many there were" in told
    assert stored(tmp_path / "out") == expected
    archive.write_bytes(bytes(LENGTH) + data[LENGTH:-LENGTH])
    for words in (("list",), ("verify", model)):
        told = sentence(capsys, "archive", *words, str(archive))
        assert "is damaged at its beginning and at its end, and it holds another archive" in told


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
    sizes = [len(chunk) for each in read_records(archive) if isinstance(each, Record) for chunk in each.chunks()]
    assert sizes == [1000] * 70 + [1]
    assert extracted(model, archive, tmp_path / "out")["film.mp4"][0] == film
    archive.write_bytes(archive.read_bytes().replace(film[40_000:40_010], b"0123456789"))
    told, lost = lost_in(capsys, "verify", model, str(archive))
    assert "1 of 1 file is lost" in told
    assert lost == ["film.mp4"]


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
    model: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, digest = tmp_path / "other", IntegerModel(Glow.from_pretrained(model)).digest.hex()
    Glow(GlowConfig(SHAPE, levels=1, steps=1, width=8)).save_pretrained(other)
    for command in (("extract", other, archive, tmp_path / "out"), ("verify", other, archive)):
        told = sentence(capsys, "archive", *map(str, command))
        assert f"need another model: {Path(model).parent.name}/tiny, images of shape 3x8x8 and 5 bits" in told
        assert f", digest {digest}. The model that you gave has images of shape 3x8x8 and 8 bits, digest " in told
    assert not (tmp_path / "out").exists()


def test_another_version_of_the_codec_is_told_from_another_model(
    model: str, archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "glowflow.codec.integer_model.digest", lambda glow, stream=b"": digest(glow, stream and stream + b"more")
    )
    told = sentence(capsys, "archive", "verify", model, str(archive), "--threads", "1")
    assert "coded with this model by another version of glowflow" in told


def test_a_model_that_cannot_code_black_images_is_tried_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial of threads codes such images. Here numbers grow too large for the integer form."""
    monkeypatch.setattr("glowflow.threads.most", lambda: 2)
    torch.manual_seed(0)
    glow = randomize(Glow(GlowConfig(SHAPE, levels=2, steps=6, width=8, num_bits=5)), 0.1)
    for name, parameter in glow.named_parameters():
        if name.endswith("0.logs"):
            parameter.data.fill_(3.6)
    glow.save_pretrained(tmp_path / "model")
    with pytest.raises(ArithmeticError):
        IntegerModel(glow).push(torch.zeros(1, *SHAPE, dtype=torch.int64), Stream(256))
    words = [str(tmp_path / "model"), str(folder), str(tmp_path / "a.glow"), "--threads", "auto"]
    with restored():
        assert main(["archive", "create", *words]) == 0
    assert extracted(words[0], tmp_path / "a.glow", tmp_path / "out") == stored(folder)


def kept(name: str, kind: str = "") -> tuple[bytes, bytes, bytes]:
    """A record with a file of this name."""
    return listed(packed_entries([Entry(name, kind)]))


def listed(names: bytes) -> tuple[bytes, bytes, bytes]:
    """A record with a file, and with these bytes for its name."""
    return b"file", KEPT.pack(0) + names, b"!"


def coded(count: int, names: bytes, digest: bytes = bytes(SIZE), content: int = 0) -> tuple[bytes, bytes, bytes]:
    """A record of images with these bytes for their names, and with no images."""
    return b"imgs", CODED.pack(digest, count, 1, 1, content) + names, b""


BOMB = zlib.compress(bytes(10**8))
HEAD = (b"head", Head(100_000, "tiny", [3, 8, 8], 5, "00", "00").packed(), b"")
LATER = HEAD[1].replace(b'"version": 1', b'"version": 2')
HOSTILE = {
    "a path that leaves the folder": [kept("../out")],
    "an absolute path": [kept("/out")],
    "a detour": [kept("a/./b")],
    "no name": [kept("")],
    "a zero in a name": [kept("a\0b")],
    "2,000 folders": [kept("a/" * 2000 + "b")],
    "an unknown format": [kept("a", "EPS")],
    "a file with the format of an image": [kept("a", "PNG")],
    "an image without a format": [coded(1, packed_entries([Entry("a", "")]))],
    "a name that is no text": [listed(zlib.compress(b"\xff\0"))],
    "no kind": [listed(zlib.compress(b"a"))],
    "names that aren't compressed": [listed(b"abcd")],
    "a bomb of a name": [listed(BOMB)],
    "times that are too long": [coded(1, packed_entries([Entry("a", "PNG")]), content=33)],
    "no images": [coded(0, packed_entries([Entry("a", "PNG")]))],
    "fewer images": [coded(1, packed_entries([Entry("a", "PNG")] * 2))],
    "more images": [coded(2, packed_entries([Entry("a", "PNG")]))],
    "too many images": [coded(2**32 - 1, BOMB)],
    "a short block": [(b"imgs", b"", b"")],
    "a short file": [(b"file", b"\xff\xff", b"")],
    "another kind of record": [(b"what", b"", b"")],
    "a second head": [HEAD],
}
HEADS = {
    "a number of 4,000 digits": HEAD[1].replace(b"100000", b"1" * 4000),
    "sizes of 4,000 digits": HEAD[1].replace(b"[3, 8, 8]", b"[3, 8, " + b"8" * 4000 + b"]"),
    "a name of 10,000 letters": HEAD[1].replace(b"tiny", b"t" * 10_000),
    "a head that is no head": b"[1]",
    "deep nesting": b"[" * 100_000,
    "a head without a model": b'{"version": 1, "files": 1}',
    "a head with another shape": HEAD[1].replace(b"[3, 8, 8]", b"[3, 8]"),
    "fewer files than none": HEAD[1].replace(b"100000", b"-1"),
    "fewer files than there are": HEAD[1].replace(b"100000", b"0"),
    "a later version": LATER,
    "nothing": b"",
}


def hostile(path: Path, *records: tuple[bytes, bytes, bytes]) -> Path:
    """An archive of any records."""
    with path.open("wb") as opened:
        for each in records:
            write_record(opened, *each)
    return path


@pytest.mark.parametrize("records", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused(
    records: list[tuple[bytes, bytes, bytes]], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = hostile(tmp_path / "hostile.glow", HEAD, *records), tmp_path / "place" / "out"
    for command in (["extract", model, path, out, "--threads", "1"], ["list", path]):
        assert "isn't as glowflow writes it" in sentence(capsys, "archive", *map(str, command))
    assert {each.name for each in tmp_path.iterdir()} <= {"hostile.glow", "place"}
    assert not out.exists()


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_hostile_heads_are_refused(head: bytes, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = hostile(tmp_path / "hostile.glow", (b"head", head, b""), kept("a"), (b"end.", b"", b""))
    told = sentence(capsys, "archive", "extract", model, str(path), str(tmp_path / "out"), "--threads", "1")
    assert ("needs a newer version" if head == LATER else "isn't as glowflow writes it") in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("count", [1, 2**16])
def test_images_that_are_not_there_are_refused(
    count: int, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block with the right digest, whose stream has nothing on it, or has more on it than images can take."""
    integers = IntegerModel(Glow.from_pretrained(model))
    head = Head.of(count, "tiny", integers).packed()
    names = packed_entries(Entry(f"{number}.png", "PNG") for number in range(count))
    heads = (1 << 16).to_bytes(4, "little") * 128
    way = CODED.pack(integers.digest, count, 1, 128, 0)
    for number, more in enumerate((0, 2 * 192 * count + 8 * count + 8 * 128)):
        block = bytes(-(-count // 8)) + heads + bytes(more)
        path = hostile(tmp_path / "hostile.glow", (b"head", head, b""), (b"imgs", way + names, block))
        out = tmp_path / f"out {number}"
        told = sentence(capsys, "archive", "extract", model, str(path), str(out), "--threads", "1")
        assert f"{count:,} of {counted(count, 'file')} {'is' if count == 1 else 'are'} lost" in told
        assert not stored(out)
        blocks = read(path, Contents())
        with pytest.raises(DamagedError) as damaged:
            list(next(blocks).files(lambda: integers, lambda _: None))
        assert "The compressed images are damaged" in str(damaged.value.__cause__)
        assert ("can't take" in str(damaged.value.__cause__)) == bool(number)


def test_images_of_a_model_whose_images_have_no_format_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    glow = Glow(GlowConfig((5, 8, 8), levels=1, steps=1, width=8))
    glow.save_pretrained(tmp_path / "model")
    integers, model = IntegerModel(glow), str(tmp_path / "model")
    head, names = Head.of(1, "five", integers).packed(), packed_entries([Entry("a", "PNG")])
    path = hostile(tmp_path / "a.glow", (b"head", head, b""), coded(1, names, integers.digest))
    assert "have no format" in sentence(capsys, "archive", "verify", model, str(path), "--threads", "1")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a", "a"], "a (another file has this name here)"),
        (["a", "a/b"], "a/b (another file has this name here)"),
        (["a/b", "a"], "a (another file has this name here)"),
        (["a", "b" * 300], "File name too long"),
        (["a", "\ud800"], "(it isn't in this system's encoding)"),
    ],
)
def test_names_that_a_system_cannot_have_cost_only_their_files(
    names: list[str], reason: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names that differ only in upper and lower case are the same on some systems, and then like a name twice."""
    head = Head(len(names), "tiny", [3, 8, 8], 5, "00", "00").packed()
    path = hostile(tmp_path / "a.glow", (b"head", head, b""), *map(kept, names), (b"end.", b"", b""))
    assert main(["archive", "extract", model, str(path), str(tmp_path / "out"), "--threads", "1"]) == 2
    said = capsys.readouterr()
    assert f"1 file can't be written here, and the others are in {tmp_path / 'out'}." in " ".join(said.err.split())
    assert "not written  " in said.out
    assert reason in said.out
    assert len(stored(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a.b c/d", True),
        ("nulls", True),
        ("a:b", False),
        ("a\\..\\b", False),
        ("a./b", False),
        ("a /b", False),
        ("aux", False),
        ("a/Nul.png", False),
        ("com1.tar.gz", False),
        ("a/COM\u00b9.png", False),
        ("conin$", False),
        ("a\nb", False),
        ("what?", False),
    ],
)
def test_names_that_windows_reads_in_another_way_are_not_for_windows(name: str, *, fits: bool) -> None:
    assert (unfit(name, "nt") == "") == fits
    assert unfit(name, "posix") == ""


def test_a_full_disk_ends_an_extraction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("glowflow.codec.folder.Path.open", full)
    with pytest.raises(OSError, match="No space left"):
        restore(tmp_path, File(Entry("a", ""), 0, [b"!"]))


def test_a_file_that_turns_out_to_be_damaged_does_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with path.open("wb") as opened:
        write_record(opened, b"file", b"", b"as it was")
    path.write_bytes(path.read_bytes().replace(b"was", b"is "))
    records = read_records(path)
    found = next(records)
    assert isinstance(found, Record)
    with pytest.raises(DamagedError):
        restore(tmp_path / "out", File(Entry("a/b", ""), 0, found.chunks()))
    assert not (tmp_path / "out" / "a" / "b").exists()


def test_what_is_no_archive_is_refused(
    model: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, pipe = folder / "0.png", tmp_path / "pipe"
    for words in (["list", picture], ["verify", model, picture], ["extract", model, picture, tmp_path / "out"]):
        assert "isn't a glowflow archive" in sentence(capsys, "archive", *map(str, words))
    os.mkfifo(pipe)
    for place, kind in ((pipe, "a pipe or a device"), (folder, "a folder")):
        assert f"{place} is {kind}, and not an archive." in sentence(capsys, "archive", "list", str(place))
    (tmp_path / "empty").touch()
    assert sentence(capsys, "archive", "list", str(tmp_path / "empty")).endswith("archive: it's empty.")
    assert "missing.glow" in sentence(capsys, "archive", "list", str(folder / "missing.glow"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_anything_is_never_replaced(
    model: str, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hidden files count, and those that come while the archive is read."""
    out = tmp_path / "out"
    extract = ("archive", "extract", model, str(archive), str(out), "--threads", "1")
    (out / ".git").mkdir(parents=True)
    assert "is not empty" in sentence(capsys, *extract)
    assert (out / ".git").is_dir()
    (out / ".git").rmdir()
    monkeypatch.setattr("glowflow.codec.extraction.restore", lambda *_: str((out / "new").write_text("")))
    assert f"{out}: " in sentence(capsys, *extract)
    assert [path.name for path in out.iterdir()] == ["new"]
    (out / "new").unlink()
    monkeypatch.undo()
    assert main(extract) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"out", "pictures", "pictures.glow"}


def test_a_folder_that_cannot_be_renamed_is_refused_at_once(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a folder that is mounted."""
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("os.path.ismount", lambda _: True)
    told = sentence(capsys, "archive", "extract", "nothing-here", str(archive), str(tmp_path / "out"))
    assert told.endswith("can't be replaced by a new folder: give OUT a new folder in it.")


def test_an_interrupted_extraction_leaves_nothing(
    model: str, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    before = set(tmp_path.iterdir())
    monkeypatch.setattr("glowflow.codec.extraction.restore", interrupted)
    assert main(["archive", "extract", model, str(archive), str(tmp_path / "out"), "--threads", "1"]) == 130
    assert set(tmp_path.iterdir()) == before


def test_what_cannot_be_stored_is_told(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Links to folders, and what is no file. The archive is as without them."""
    before = archive.read_bytes()
    (folder / "link").symlink_to(folder / "more")
    (folder / "nowhere").symlink_to(tmp_path / "nothing")
    os.mkfifo(folder / "pipe")
    (folder / "\x1b[31m").symlink_to(tmp_path / "nothing")
    capsys.readouterr()
    again = ["archive", "create", model, str(folder), str(archive), "--replace", "--block", "3", "--threads", "1"]
    assert main(again) == 0
    told = capsys.readouterr().err
    assert f"{folder / 'link'} is left out: it's a link to a folder." in told
    assert f"{folder / 'nowhere'} is left out: it's a link that leads nowhere." in told
    assert f"{folder / 'pipe'} is left out: it isn't a file." in told
    hostile = repr(str(folder / "\x1b[31m"))  # a terminal would obey the name as it is
    assert f"{hostile} is left out: it's a link that leads nowhere." in told
    assert archive.read_bytes() == before


@pytest.mark.parametrize(("name", "depth"), [("x" * 250, 20), ("x", 120)])
def test_folders_that_cannot_be_stored_end_a_creation(
    name: str, depth: int, model: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One whose path is longer than the system allows, and so can't be listed, and one that is too deep."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=place)
        inner = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    told = sentence(capsys, "archive", "create", model, str(folder), str(tmp_path / "a.glow"), "--threads", "1")
    assert ("too long" if depth == 20 else "at most 99 folders may be in each other") in told
    assert not (tmp_path / "a.glow").exists()


def test_a_file_that_cannot_be_read_is_named_before_the_others_are_stored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    may = os.access
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "6.png" and may(path, mode))
    told = sentence(capsys, "archive", "create", "nothing-here", str(folder), str(tmp_path / "a.glow"))
    assert told.endswith("6.png can't be read: you lack the permission.")


@pytest.mark.parametrize("name", ["0.png", "more/photo.jpg"])
def test_a_file_that_goes_away_costs_only_itself(
    name: str,
    model: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It's named, and left out. The archive is whole without it, although the number of its files was written first."""
    listed, archive = list(files_of(folder)), tmp_path / "a.glow"
    (folder / name).unlink()
    monkeypatch.setattr("glowflow.codec.folder.files_of", lambda *_: listed)
    capsys.readouterr()
    assert main(["archive", "create", model, str(folder), str(archive), "--threads", "1"]) == 2
    *_, named, last = capsys.readouterr().err.splitlines()
    assert named.endswith(f"{folder / name} can't be read: No such file or directory.")
    assert last == f"glowflow: {archive} lacks 1 file."
    assert main(["archive", "verify", model, str(archive), "--threads", "1"]) == 0
    assert extracted(model, archive, tmp_path / "out") == stored(folder)


def test_an_archive_is_not_replaced_by_one_that_lacks_files(
    model: str, folder: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, before = list(files_of(folder)), archive.read_bytes()
    (folder / "0.png").unlink()
    (folder / "3.png").unlink()
    monkeypatch.setattr("glowflow.codec.folder.files_of", lambda *_: listed)
    told = sentence(capsys, "archive", "create", model, str(folder), str(archive), "--replace", "--threads", "1")
    assert told == f"glowflow: {archive} stays as it was: the new one would lack 2 files."
    assert archive.read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_private_folder_stays_private(model: str, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "private"
    out.mkdir(mode=0o700)
    assert main(["archive", "extract", model, str(archive), str(out), "--threads", "1"]) == 0
    assert S_IMODE(out.stat().st_mode) == 0o700


def test_damaged_pictures_are_called_damaged(tmp_path: Path) -> None:
    """What follows a picture's end may be wanted, and is no damage."""
    whole = file(Image.fromarray(np.zeros((8, 8, 3), np.uint8)))
    assert not isinstance(pixels_alone(whole, SHAPE, 8), str)
    for damaged in (whole[:-20], whole[:-1], whole[:45] + bytes([whole[45] ^ 1]) + whole[46:], whole[:8]):
        assert pixels_alone(damaged, SHAPE, 8) == DAMAGED
    for more in (whole + b"x", whole + b"0" * 50, whole + whole):
        assert pixels_alone(more, SHAPE, 8) == MORE


def test_names_may_be_typed_as_they_are_listed(
    model: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also with a letter and an accent for a letter with an accent, as some systems write names."""
    for number, name in enumerate(("'more/and more/ünusual\\nname.ppm'", normalize("NFD", "more/*/ünusual\nname.*"))):
        out = tmp_path / str(number)
        assert main(["archive", "extract", model, str(archive), str(out), "--only", name, "--threads", "1"]) == 0
        assert list(stored(out)) == ["more/and more/ünusual\nname.ppm"]


def test_no_model_is_given_where_one_is_needed(
    model: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = sentence(capsys, "archive", "extract", "-", str(archive), str(tmp_path / "out"))
    assert "The images need a model: give it as MODEL. The archive was made with " in told
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a.txt").write_text("a")
    assert (
        main(["archive", "create", model, str(tmp_path / "kept"), str(tmp_path / "kept.glow"), "--threads", "1"]) == 0
    )
    capsys.readouterr()
    assert main(["archive", "verify", "-", str(tmp_path / "kept.glow")]) == 0
    assert "no file needs it, so it wasn't looked at" in capsys.readouterr().out


def test_a_file_that_changes_meanwhile_costs_only_itself(model: str, folder: Path, tmp_path: Path) -> None:
    """The part of its record that was written is taken back."""
    photo, archive, numbers = folder / "more" / "photo.jpg", tmp_path / "a.glow", count(1)

    class Disturbing(BytesIO):
        def write(self, data: Any) -> int:  # noqa: ANN401
            if bytes(data).startswith(MARK + b"file"):
                photo.write_bytes(bytes([next(numbers)]) * 1000)
            return super().write(data)

    file = Disturbing()
    written = Writer(file, IntegerModel(Glow.from_pretrained(model)), 3).write(list(files_of(folder)))
    assert written.left_out == [f"{photo} has changed while it was being stored."]
    archive.write_bytes(file.getvalue())
    expected = stored(folder)
    del expected["more/photo.jpg"]
    assert main(["archive", "verify", model, str(archive), "--threads", "1"]) == 0
    assert extracted(model, archive, tmp_path / "out") == expected


def test_a_file_that_is_no_archive_is_not_replaced(
    model: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OUT might be one of the images by mistake."""
    create, before = ("archive", "create", model, str(folder)), stored(folder)
    told = sentence(capsys, *create, str(folder / "0.png"), "--threads", "1")
    assert "0.png isn't an archive, and would be replaced" in told
    assert stored(folder) == before
    (tmp_path / "empty").touch()
    assert main([*create, str(tmp_path / "empty"), "--threads", "1"]) == 0


def test_too_little_memory_gets_advice(
    model: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("glowflow.codec.archive_writer.packed", failing)
    words = [model, str(folder), str(tmp_path / "a.glow"), "--threads", "1"]
    assert main(["archive", "create", *words]) == 1
    assert "To take less, give a smaller --block." in capsys.readouterr().err


def test_names_that_are_too_long_together_begin_a_new_block(
    model: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader would refuse longer lists of names."""
    for limit in ("archive_writer", "entries"):
        monkeypatch.setattr(f"glowflow.codec.{limit}.LONGEST_LIST", 40)
    archive = tmp_path / "a.glow"
    assert main(["archive", "create", model, str(folder), str(archive), "--threads", "1"]) == 0
    assert sum(isinstance(each, Record) and each.kind == b"imgs" for each in read_records(archive)) == 3
    assert extracted(model, archive, tmp_path / "out") == stored(folder)


def test_mistakes_are_named(
    model: str, folder: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = archive.read_bytes()
    assert "--block is 0" in sentence(capsys, "archive", "create", model, str(folder), str(archive), "--block", "0")
    assert "is no folder" in sentence(capsys, "archive", "create", model, str(archive), str(tmp_path / "x.glow"))
    create = ("archive", "create", "nothing-here", str(folder))
    assert "No model in" in sentence(capsys, *create, str(tmp_path / "x.glow"))
    assert "pictures.glow exists already: give OUT a new name, or --replace" in sentence(capsys, *create, str(archive))
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
