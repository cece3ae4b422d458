"""Files of more than 8 bits have one value range for a whole folder, which is stored with the data and the model."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from glowflow import Glow, GlowConfig, InputError
from glowflow.cli import main
from glowflow.commands.inputs import image_files
from glowflow.config import RunConfig
from glowflow.data import SPLITS, Dataset, Split, prepare, read_image, read_images
from glowflow.demo import uploads
from glowflow.stored import StoredModel
from glowflow.training import train

SHAPE = (1, 4, 4)
RAMP = np.linspace(0, 1, 16).reshape(4, 4)


def write(path: Path, values: NDArray[Any]) -> Path:
    """Write a file of exactly these numbers, (H, W) or (H, W, channels)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        path.write_bytes(png(values))
    else:
        tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else "minisblack")
    return path


def png(values: NDArray[Any]) -> bytes:
    """The bytes of a PNG of 8 or 16 bits. Pillow writes these only for grey."""
    height, width, channels = (*values.shape, 1)[:3]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8 * values.dtype.itemsize, kind, 0, 0, 0),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    chunks = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in parts.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def pixels(splits: dict[Split, Dataset]) -> dict[str, NDArray[np.int64]]:
    """Each file's image (C, H, W)."""
    return {
        splits[s].describe(i): splits[s].images[i].transpose(2, 0, 1).astype(int)
        for s in SPLITS
        for i in range(len(splits[s]))
    }


@pytest.mark.parametrize(
    ("dtype", "values", "limits"),
    [
        (np.uint16, (0, 200), (0, 255)),
        (np.uint16, (0, 1000), (0, 1023)),
        (np.uint16, (7, 4095), (0, 4095)),
        (np.uint16, (0, 3000), (0, 4095)),
        (np.uint16, (0, 16383), (0, 16383)),
        (np.uint16, (0, 40000), (0, 65535)),
        (np.int16, (-2000, 2000), (-2048, 2047)),
        (np.int16, (-1000, 2900), (-1024, 3071)),
        (np.int16, (0, 4000), (0, 4095)),
        (np.int32, (-100_000, 200_000), (-100_000, 200_000)),
        (np.uint32, (0, 4_000_000_000), (0, 4_000_000_000)),
        (np.float32, (0, 0.3), (0, 1)),
        (np.float32, (-0.01, 1.0001), (0, 1)),
        (np.float32, (-1, 1), (-1, 1)),
        (np.float32, (-2.5, 3.5), (-2.5, 3.5)),
        (np.float32, (0, 255), (0, 255)),
        (np.float32, (0, 65535), (0, 65535)),
        (np.float32, (-1000, 3000), (-1024, 3071)),
    ],
)
def test_the_range_is_the_narrowest_usual_one(
    dtype: Any,  # noqa: ANN401
    values: tuple[float, float],
    limits: tuple[float, float],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    low, high = values
    numbers = (low + RAMP * (high - low)).astype(dtype)
    for index in range(5):
        write(tmp_path / "pictures" / f"{index}.tif", numbers)
    splits = prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache")
    assert list(splits["train"].value_ranges.values()) == [pytest.approx(limits, rel=1e-6)]
    expected = np.clip((numbers.astype(float) - limits[0]) / (limits[1] - limits[0]) * 255, 0, 255)
    assert all(abs(image[0] - expected).max() <= 0.51 for image in pixels(splits).values())
    assert f"{limits[0]:g} is read as black and {limits[1]:g} as white" in capsys.readouterr().err


def test_a_dark_image_stays_dark_beside_a_bright_one(tmp_path: Path) -> None:
    for index in range(10):
        write(tmp_path / "pictures" / f"{index}.png", np.full((4, 4), 400 * index, np.uint16))
    found = pixels(prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache"))
    assert [found[f"{index}.png"].max() for index in range(10)] == [round(400 * i / 4095 * 255) for i in range(10)]


def test_pixels_that_are_not_finite_change_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = RAMP.astype(np.float32)
    values[0] = [np.nan, np.inf, -np.inf, 1.0001]
    write(tmp_path / "pictures" / "odd.tif", values)
    for index in range(5):
        write(tmp_path / "pictures" / f"{index}.tif", RAMP.astype(np.float32))
    found = pixels(prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache"))
    assert found["odd.tif"][0, 0].tolist() == [0, 0, 0, 255]
    assert (found["odd.tif"][0, 1:] == found["0.tif"][0, 1:]).all()
    assert found["0.tif"].max() == 255
    assert "read as black. 1 of these files have some" in capsys.readouterr().err


def test_each_kind_of_file_has_its_own_range(tmp_path: Path) -> None:
    grey = (RAMP * 200).astype(np.uint8)
    for index in range(3):
        write(tmp_path / "pictures" / f"{index}.png", grey)
        write(tmp_path / "pictures" / f"deep{index}.png", (RAMP * 4095).astype(np.uint16))
        write(tmp_path / "pictures" / f"float{index}.tif", RAMP.astype(np.float32))
    splits = prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache")
    found = pixels(splits)
    assert (found["0.png"] == grey).all()
    assert found["deep0.png"].max() == found["float0.tif"].max() == 255
    assert splits["train"].value_ranges == {"uint16": (0, 4095), "float32": (0, 1)}


def test_a_folder_of_8_bits_has_no_range_and_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(5):
        write(tmp_path / "pictures" / f"{index}.png", (RAMP * 15).astype(np.uint8))
    splits = prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache")
    assert splits["train"].value_ranges == {}
    assert pixels(splits)["0.png"].max() == 15
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_of_colour_are_all_used(suffix: str, channels: int, tmp_path: Path) -> None:
    if (suffix, channels) == (".tif", 2):
        pytest.skip("no grey TIFF of Pillow's has opacity and 16 bits")
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4096, (6, 4, channels)).astype(np.uint16)
    if channels in {2, 4}:
        values[..., -1] = 65535  # opaque
    path = write(tmp_path / f"a{suffix}", values)
    shown = values[..., :3] if channels > 2 else values[..., :1].repeat(3, -1)
    assert abs(read_image(path, (3, 6, 4)) - shown / 4095 * 255).max() <= 0.51


def test_opacity_has_its_own_scale(tmp_path: Path) -> None:
    values = np.full((4, 4, 4), 4095, np.uint16)
    values[..., :3], values[:2, :, 3] = 0, 65535
    values[0, 0, :3] = 4095
    image = read_image(write(tmp_path / "a.png", values), (4, 4, 4))
    assert image[0, 0].tolist() == [255, 255, 255, 255]
    assert image[1, 0].tolist() == [0, 0, 0, 255]
    assert image[3, 0, 3] == round(4095 / 257)


def test_colour_is_turned_as_exif_says(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (6, 4, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    upright = np.rot90(values, -1)
    assert abs(read_image(tmp_path / "a.tif", (3, 4, 6)) - upright / 257).max() <= 0.51


@pytest.mark.parametrize("maxval", [1000, 4095, 60000])
def test_a_format_that_says_what_white_is_is_believed(maxval: int, tmp_path: Path) -> None:
    for index in range(5):
        path = tmp_path / "pictures" / f"{index}.pgm"
        path.parent.mkdir(exist_ok=True)
        values = (RAMP * maxval / 2).astype(">u2")
        path.write_bytes(b"P5 4 4 %d\n" % maxval + values.tobytes())
    splits = prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache")
    assert splits["train"].value_ranges == {}
    assert 127 <= pixels(splits)["0.pgm"].max() <= 128


def test_a_signed_tiff_of_8_bits_is_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.array([[-128, -1], [0, 127]], np.int8))
    assert read_image(path, (1, 2, 2))[..., 0].tolist() == [[0, 127], [128, 255]]


def test_a_chosen_range_goes_before_and_is_prepared_apart(tmp_path: Path) -> None:
    for index in range(5):
        write(tmp_path / "pictures" / f"{index}.png", (RAMP * 4000).astype(np.uint16))
    own = prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache")
    chosen = prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache", value_ranges={"uint16": (0, 65535)})
    same = prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache", value_ranges={"uint16": (0, 4095)})
    assert pixels(chosen)["0.png"].max() == round(4000 / 257)
    assert pixels(own)["0.png"].max() == pixels(same)["0.png"].max() == 249
    assert len(list((tmp_path / "cache").glob("folder-*"))) == 2  # nothing is prepared twice


def test_what_an_older_version_prepared_is_used_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(5):
        write(tmp_path / "pictures" / f"{index}.png", (RAMP * 4000).astype(np.uint16))
    prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache")
    (meta,) = (tmp_path / "cache").glob("folder-*/meta.json")
    text = meta.read_text()
    meta.write_text("\n".join(line for line in text.splitlines() if '"digest"' not in line))
    before = meta.stat()
    capsys.readouterr()
    prepare(tmp_path / "pictures", SHAPE, tmp_path / "cache")
    assert "An older glowflow prepared pictures" in capsys.readouterr().err
    assert meta.stat() == before


def test_several_files_have_one_range(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{high}.png", (RAMP * high).astype(np.uint16)) for high in (500, 4095)]
    dark, bright = read_images(paths, SHAPE)
    assert (dark.max(), bright.max()) == (31, 255)


@pytest.fixture(name="deep")
def _deep(config: RunConfig, tmp_path: Path) -> RunConfig:
    """A training on 16-bit files that hold 12 bits."""
    rng = np.random.default_rng(0)
    for index in range(40):
        values = np.linspace(0, 1, 64).reshape(8, 8) * 3900 + rng.integers(0, 195, (8, 8))
        write(tmp_path / "deep" / f"{index}.png", values.astype(np.uint16))
    settings = replace(config.train, data=str(tmp_path / "deep"), images=32, validate_every=32)
    return RunConfig(GlowConfig((1, 8, 8), steps=2, width=8), settings)


def test_a_model_scales_other_images_as_those_of_its_training(
    deep: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(deep, tmp_path / "run")
    assert StoredModel.open(tmp_path / "run").value_ranges == {"uint16": (0, 4095)}
    dark = write(tmp_path / "dark" / "0.png", np.full((8, 8), 500, np.uint16))
    run = str(tmp_path / "run")
    assert main(["reconstruct", run, str(dark), "--out", str(tmp_path / "out.png")]) == 0
    assert (image_files(StoredModel.open(run), Glow.from_pretrained(run), [dark], None).images == 31).all()
    for index in range(1, 5):
        write(tmp_path / "dark" / f"{index}.png", np.full((8, 8), 500, np.uint16))
    assert main(["score", run, "--data", str(dark.parent), "--out", str(tmp_path / "s.csv")]) == 0
    assert "0 is read as black and 4095 as white" in capsys.readouterr().err
    uploaded, _ = uploads.read(dark.read_bytes(), "image/png", (1, 8, 8), None, StoredModel.open(run).value_ranges)
    assert uploaded.max() == 31


def test_a_range_of_the_run_is_one_of_its_settings(deep: RunConfig, tmp_path: Path) -> None:
    chosen = replace(deep, train=replace(deep.train, value_range=(0, 65535)))
    train(chosen, tmp_path / "run")
    assert StoredModel.open(tmp_path / "run").value_ranges["uint16"] == (0, 65535)
    with pytest.raises(InputError, match=r"train.value_range: \[0, 65535\] there, None now"):
        train(deep, tmp_path / "run")
    train(chosen, tmp_path / "run")


def test_the_option_takes_two_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(5):
        write(tmp_path / "pictures" / f"{index}.png", (RAMP * 100).astype(np.uint16))
    shown = ["data", "show", str(tmp_path / "pictures"), "--image_shape", "[1,4,4]", "--out", str(tmp_path / "a.png")]
    for words in (["--value-range", "-100,100"], ["--value-range=-100,100"], ["--value-range", "[-100, 100]"]):
        assert main([*shown, *words]) == 0
        assert "16-bit values from -100 (black) to 100 (white)" in capsys.readouterr().out
    for given, sentence in (("5,2", "smaller first"), ("a,b", "two numbers"), ("1,2,3", "two numbers")):
        assert main([*shown, "--value-range", given]) == 2
        assert sentence in capsys.readouterr().err


def test_a_range_for_8_bits_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(5):
        write(tmp_path / "pictures" / f"{index}.png", (RAMP * 100).astype(np.uint8))
    words = ["data", "prepare", str(tmp_path / "pictures"), "--image_shape", "[1,4,4]", "--value-range", "0,100"]
    assert main(words) == 2
    assert "for image files of more than 8 bits" in capsys.readouterr().err
