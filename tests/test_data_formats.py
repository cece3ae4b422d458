"""Kinds of image files that Pillow reads only with the help of other packages."""

import os
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glowflow.data import prepare, read_image
from glowflow.errors import InputError


def photograph(path: Path, shade: int = 128, **options: object) -> Path:
    """A HEIC file whose upper half is dark."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    pixels = np.full((32, 32, 3), shade, np.uint8)
    pixels[:16] //= 4
    Image.fromarray(pixels).save(path, format="HEIF", quality=95, **options)
    return path


def test_heic_files_are_images_like_others(tmp_path: Path) -> None:
    (tmp_path / "phone").mkdir()
    for number in range(6):
        photograph(tmp_path / "phone" / f"IMG_{number}.HEIC", 100 + 10 * number)
    data = prepare(tmp_path / "phone", (3, 16, 16), tmp_path / "cache")["train"]
    for row in range(len(data)):
        shade = 100 + 10 * int(data.describe(row)[4])
        assert abs(int(data.images[row, 12, 8, 0]) - shade) < 6
        assert abs(int(data.images[row, 3, 8, 0]) - shade / 4) < 6


def test_a_turned_heic_file_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = read_image(photograph(tmp_path / "a.heic", 200, exif=exif.tobytes()), (1, 16, 16))
    assert image[12].mean() < 80
    assert image[3].mean() > 160


@pytest.mark.parametrize(
    ("package", "name", "install"),
    [
        ("pillow_heif", "a.HEIC", r"to read HEIC: run pip install -e '\.\[heif\]'"),
        ("pillow_jxl", "a.jxl", "to read JPEG XL: run pip install pillow-jxl-plugin"),
    ],
)
def test_without_the_package_it_is_named(
    package: str, name: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / name).write_bytes(b"x")
    with pytest.raises(InputError, match=install):
        read_image(tmp_path / "phone" / name, (3, 8, 8))
    with pytest.raises(InputError, match=install):
        prepare(tmp_path / "phone", (3, 8, 8), tmp_path / "cache")


@pytest.mark.parametrize(
    ("package", "start", "kind"),
    [("pillow_heif", b"\0\0\0\x18ftypheic", "HEIC"), ("pillow_jxl", b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL")],
)
def test_a_file_with_the_ending_of_another_kind_is_known_by_its_content(
    package: str, start: bytes, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name not in {"HEIF", "JXL"}])  # of earlier tests
    (tmp_path / "IMG_1.jpg").write_bytes(start + bytes(100))
    with pytest.raises(InputError, match=f"it holds {kind}; to read {kind}: run pip install"):
        read_image(tmp_path / "IMG_1.jpg", (3, 8, 8))


def test_other_packages_are_loaded_only_to_read_images() -> None:
    code = "import sys, glowflow.cli, glowflow.data; sys.exit(any(name.startswith('pillow_') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_pillow_warns_of_does_not_reach_the_user(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    exif = Image.Exif()
    exif[0x010E] = "a description"
    for number in range(12):
        Image.new("L", (8, 8)).save(tmp_path / "odd" / f"{number}.jpg", exif=exif.tobytes()[:24])
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF")
    samples = file.getvalue().replace(struct.pack("<HHI", 0x115, 3, 1), struct.pack("<HHI", 0x115, 3, 9))
    (tmp_path / "odd" / "logged.tif").write_bytes(samples)
    command = [sys.executable, "-m", "glowflow", "data", "prepare", "odd", "--image_shape", "[1, 8, 8]"]
    environment = os.environ | {"GLOWFLOW_CACHE": str(tmp_path / "cache")}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    lines = [line.split()[:2] for line in result.stderr.splitlines() if not line.startswith("Reading odd: ")]  # if slow
    assert lines == [["Skipped", "logged.tif,"], ["Skipped", "1"]]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png can't be read: It isn't a regular file"):
        read_image(tmp_path / "a.png", (3, 8, 8))
