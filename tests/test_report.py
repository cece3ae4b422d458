"""The report on a run tells what the run's files tell, whatever happened to them."""

import base64
import io
import json
import re
import shutil
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.data import Dataset
from glowflow.errors import TrainingInterruptedError
from glowflow.evaluate import sample
from glowflow.pictures import as_picture, grid, stacked, tiles, unstacked
from glowflow.reports import Report, distribution
from glowflow.reports.chart import Curve, chart, fewer, histogram
from glowflow.reports.history import History
from glowflow.reports.moments import MOST_MOMENTS, Moments, thinned
from glowflow.reports.remarks import remarks
from glowflow.reports.thumbnails import COLUMNS, MOST_PIXELS, thumbnails
from glowflow.training import Options, TrainingState, train
from tests.helpers import assert_same, sentence

GAP = 2


def with_report() -> Options:
    return Options(report=Report().write)


@pytest.fixture(name="run")
def _run(config: RunConfig, tmp_path: Path) -> Path:
    """A run of 320 images with two validations, and a report."""
    train(config, tmp_path / "run", options=with_report())
    return tmp_path / "run"


class Text(HTMLParser):
    """What one reads on a page, and the attributes of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.found = "", list[tuple[str, dict[str, str | None]]]()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def report(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8", errors="surrogateescape")


def moments(page: str) -> list[dict[str, str | int]]:
    found = re.search(r'<script type="application/json" id="moments">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def decoded(address: str) -> Image.Image:
    assert address.startswith("data:image/webp;base64,")
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_training_writes_its_report(run: Path, config: RunConfig) -> None:
    page = Text(report(run))
    validations = History.read(run).curve("validation", "bits_per_dim")
    assert [each["images"] for each in moments(report(run))] == [160, 320]
    assert f"All 320 images, {validations[-1][1]:.3f} bits/dim".lower() in page.text.lower()
    assert "validation, raw weights" in page.text
    assert "{images: " not in page.text
    for name, value in {"lr": "0.005", "validate_every": "160", "image_shape": "1,8,8"}.items():
        assert re.search(rf"{name}\s*{re.escape(value)}", page.text)


def test_the_page_needs_nothing_else(run: Path) -> None:
    """Every address in it is that of data, and its policy forbids all others."""
    page = report(run)
    addresses = [attrs.get(name) for _, attrs in Text(page).found for name in ("src", "href")]
    assert [address[:5] for address in addresses if address is not None] == ["data:", "data:"]
    assert "default-src 'none'; img-src data:" in page
    assert not re.search(r"@import|url\(", page)


def test_samples_are_those_of_the_averaged_weights_pixel_for_pixel(run: Path, config: RunConfig) -> None:
    state = TrainingState.new(config, "cpu")
    state.restore(run)
    images = sample(state.evaluated, 20, 0.7, seed=config.train.seed)
    shown = np.asarray(decoded(str(moments(report(run))[-1]["picture"])).convert("RGB"))[..., 0]
    expected = images[:, 0].reshape(-1, COLUMNS, 8, 8)
    for row, column in np.ndindex(4, COLUMNS):
        tile = shown[row * (8 + GAP) :, column * (8 + GAP) :][:8, :8]
        assert (tile == expected[row, column].numpy()).all()


def test_an_interrupted_training_has_the_report_of_an_uninterrupted_one(
    run: Path, config: RunConfig, tmp_path: Path
) -> None:
    train(replace(config, train=replace(config.train, images=160)), tmp_path / "other", options=with_report())
    (tmp_path / "other" / "report.html").write_text("damaged")
    train(config, tmp_path / "other", options=with_report())
    assert moments(report(run)) == moments(report(tmp_path / "other"))


def test_a_report_says_whether_its_training_goes_on(config: RunConfig, tmp_path: Path) -> None:
    """While it goes on, the page loads itself again. When it has been stopped, the page says so and stays."""
    pages = list[str]()
    seen = Options(report=lambda out: pages.append(Report().write(out).read_text()), seconds=0)
    with pytest.raises(TrainingInterruptedError):
        train(config, tmp_path / "run", options=seen)
    assert ["stopped after" in Text(page).text for page in pages] == [True]
    assert 'data-state="ended"' in pages[0]

    train(config, tmp_path / "run", options=replace(seen, seconds=inf))
    assert ["stopped after" in Text(page).text for page in pages] == [True, False, False]
    assert 'data-state="running"' in pages[1]
    assert 'data-state="ended"' in pages[2]


def test_pictures_of_a_lost_end_are_not_shown(run: Path, config: RunConfig) -> None:
    """A training that goes on from an earlier checkpoint hasn't drawn them yet."""
    shutil.rmtree(run / "last")
    (run / "metrics.jsonl").write_text("".join((run / "metrics.jsonl").read_text().splitlines(keepends=True)[:11]))
    Report().write(run)
    assert [each["images"] for each in moments(report(run))] == [160]
    assert "160 of 320 images" in report(run)


def test_a_run_without_a_report_gets_one_and_a_browser_shows_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    written = report(home / "run")
    (home / "run" / "report.html").unlink()
    assert main(["report", "run", "--no-open"]) == 0
    assert "The report on run is in run/report.html." in capfd.readouterr().err
    assert not opened
    assert moments(report(home / "run")) == moments(written)
    assert main(["report", "run", "--out", "elsewhere.html"]) == 0
    assert opened == [(home / "elsewhere.html").as_uri()]


def test_a_run_of_an_older_version(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "data" / "format1" / "run", tmp_path / "run")
    Report().write(tmp_path / "run")
    assert "bits/dim" in Text(report(tmp_path / "run")).text


def test_what_is_no_run_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "pictures holds no run: give the directory of a training" in sentence(capsys, "report", "pictures")
    assert "run/best holds no run" in sentence(capsys, "report", "run/best")
    assert "there is no folder nowhere" in sentence(capsys, "report", "run", "--out", "nowhere/report.html")
    (home / "run" / "config.yaml").write_text("{model: {image_shape: 3}, train: {data: x}}")
    assert "image_shape in run/config.yaml is 3; it takes three whole numbers" in sentence(capsys, "report", "run")


def test_the_command_to_go_on_goes_on(home: Path) -> None:
    def train_as_told() -> int:
        Report().write(home / "run")
        (command,) = re.findall(r"<pre>glowflow (train .*?)</pre>", report(home / "run"))
        assert main(command.split()) == 0
        return History.read(home / "run").position

    settings = (home / "run" / "config.yaml").read_text()
    (home / "run" / "config.yaml").write_text(settings.replace("images: 128", "images: 192"))
    assert train_as_told() == 192
    assert train_as_told() == 384  # the end is reached, so the command trains for longer


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples/000000160.png", "results.json", "report.html"])
@pytest.mark.parametrize(
    "damage",
    [lambda text: text[: len(text) // 2], lambda _: b"", lambda _: b"[3]\n{}\n\xff"],
    ids=["torn", "empty", "other"],
)
def test_a_damaged_file_stops_neither_report_nor_training(
    run: Path, config: RunConfig, name: str, damage: Callable[[bytes], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    path = run / name
    path.write_bytes(damage(path.read_bytes() if path.exists() else b'{"results": []}'))
    Report().write(run)
    train(replace(config, train=replace(config.train, images=480)), run, options=with_report())
    assert "480" in report(run)
    assert "couldn't be written" not in capfd.readouterr().err


RESULT = {"command": "score", "subject": "", "rows": {}, "when": "", "picture": "", "caption": ""}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.jsonl", '{"kind": "train", "images": 0, "bits_per_dim": 1, "lr": -1}'),
        ("metrics.jsonl", '{"kind": "train", "images": -5, "bits_per_dim": 1}'),
        ("metrics.jsonl", f'{{"kind": "train", "images": {10**400}, "bits_per_dim": 1}}'),
        ("metrics.jsonl", f'{{"images": {"9" * 5000}}}\n{"[" * 100_000}'),
        ("metrics.jsonl", '{"kind": "train", "images": 5, "bits_per_dim": 1, "images_per_second": 1e-12, "lr": -1}'),
        *(
            ("results.json", json.dumps({"results": [RESULT | {"counts": counts, "limits": limits}]}))
            for counts, limits in [([1], [0, inf]), ([1], [-1e308, 1e308]), ([-1], [0, 1]), ([10**400], [0, 1])]
        ),
        ("results.json", json.dumps({"results": [RESULT | {"counts": [], "limits": [0, 1], "when": "\ud800"}]})),
        ("results.json", "[" * 100_000),
    ],
    ids=str,
)
def test_numbers_that_cannot_be_do_not_stop_a_report(run: Path, name: str, content: str) -> None:
    (run / name).write_text(content)
    assert "320 images" in Report().write(run).read_text()


def test_a_picture_is_never_enlarged(run: Path) -> None:
    settings = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(settings.replace("- 8\n  - 8", "- 100000\n  - 100000"))
    assert "100000x100000" in Report().write(run).read_text()


def test_a_report_that_fails_does_not_stop_a_training(
    config: RunConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Path) -> None:
        raise RuntimeError("no\nink")

    whole = train(config, tmp_path / "whole")
    assert_same(train(config, tmp_path / "run", options=Options(report=fail)), whole)
    told = capfd.readouterr().err
    assert told.count(f"The report on {tmp_path / 'run'} couldn't be written (no ink).") == 2


def test_names_and_settings_are_text(config: RunConfig, tmp_path: Path) -> None:
    """Neither the name of a run nor that of its images becomes part of the page's code."""
    name = "<img src=x onerror=alert(1)>&\"'$name"
    shutil.copy(config.train.data, tmp_path / f"{name}.npz")
    named = replace(config, train=replace(config.train, images=160, data=str(tmp_path / f"{name}.npz")))
    train(named, tmp_path / name, options=with_report())
    page = Text(report(tmp_path / name))
    assert page.text.count(name) >= 4
    assert not [attrs for _, attrs in page.found if "onerror" in attrs]


def test_a_result_is_text(run: Path) -> None:
    evil = "<script>alert(1)</script>"
    entry = {"command": evil, "subject": evil, "rows": {evil: evil}, "when": evil, "counts": [1], "limits": [0, 1]}
    whole = entry | {"picture": f'data:image/webp;base64,"{evil}', "caption": evil}
    (run / "results.json").write_text(json.dumps({"results": [whole, whole | {"picture": "http://x"}, entry, 3]}))
    Report().write(run)
    assert evil not in report(run)
    assert Text(report(run)).text.count(evil) == 6  # of one result: the others aren't any


def test_results_of_commands_are_in_the_report(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run"]) == 0
    assert main(["score", "run", "--split", "all"]) == 0
    told = capfd.readouterr().out
    text = Text(report(home / "run")).text
    bits = re.search(r"bits/dim +(.*)", told)
    assert bits
    assert bits[1] in text
    assert "glowflow evaluate: pictures, test split, averaged weights" in text
    assert text.count("glowflow score: pictures") == 3
    assert "the model after 128 images" in text
    assert main(["evaluate", "run", "--draws", "2"]) == 0
    text = Text(report(home / "run")).text
    assert "2 noise draws" in text
    assert text.count("glowflow evaluate: pictures") == 1  # the newer result of the same images


def test_a_model_that_is_no_run_keeps_no_result(home: Path) -> None:
    before = sorted((home / "run" / "best").iterdir())
    assert main(["evaluate", "run/best", "--data", "pictures"]) == 0
    assert sorted((home / "run" / "best").iterdir()) == before
    assert not (home / "run" / "results.json").exists()


def test_a_result_is_given_even_if_it_cannot_be_kept(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "run" / "results.json").mkdir()
    assert main(["evaluate", "run"]) == 0
    captured = capfd.readouterr()
    assert "bits/dim" in captured.out
    assert "The report on run doesn't show this result" in captured.err


def test_the_distribution_names_the_most_unusual_images() -> None:
    images = np.zeros((50, 8, 8, 3), np.uint8)
    images[7], images[9] = 255, 200
    values = np.linspace(1, 2, 50)
    values[7], values[9] = np.nan, 9.0
    dataset, table = Dataset("mine", "test", images), {"bits_per_dim": values, "p_value": np.linspace(0, 1, 50)}
    result = distribution(dataset, table, by="bits_per_dim", when="now")
    assert result.rows["p-value below 0.05"] == "6.0% of the images, where 5% of usual images have one"
    assert result.rows["most unusual"].startswith("7 (nan), 9 (9.000), 49 (2.000)")
    assert sum(result.counts) == 49
    first = np.asarray(decoded(result.picture).convert("RGB"))
    assert (first[:8, :8] == 255).all()
    assert (first[:8, 8 + GAP :][:, :8] == 200).all()


def with_records(run: Path, *lines: object) -> History:
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return History.read(run)


def trained(images: int, rate: float = 100.0, skipped: int = 0) -> dict[str, object]:
    return {"kind": "train", "images": images, "bits_per_dim": 3.0, "images_per_second": rate, "skipped": skipped}


def validated(images: int, bits: float | None) -> dict[str, object]:
    return {"kind": "validation", "images": images, "bits_per_dim": bits}


def test_remarks(run: Path) -> None:
    assert remarks(with_records(run, trained(16), trained(32, 90), validated(32, 3.0))) == []
    assert remarks(with_records(run)) == []
    (skipped,) = remarks(with_records(run, trained(16), trained(32, skipped=2), trained(48, skipped=2)))
    assert skipped.startswith("2 steps had no finite loss or gradient and changed nothing, the last one before 32 im")
    rates = [(100, 45), (200, 100), (300, 50), (400, 40), (500, 100), (600, 105), (700, 40), (800, 900)]
    (slow,) = remarks(with_records(run, *(trained(images, rate) for images, rate in rates)))
    assert slow.startswith("For 200 images the training was at most half as fast as at its best (100 images/s)")
    (broken,) = remarks(with_records(run, validated(16, 3.0), validated(32, None)))
    assert "weren't finite in 1 validation, the last one after 32 images" in broken
    (overfit,) = remarks(with_records(run, *(validated(16 * n, 3 + n / 10) for n in range(1, 5))))
    assert "lowest after 16 images (3.100)" in overfit
    (run / "damaged").mkdir()
    (damaged,) = remarks(with_records(run))
    assert "set aside as damaged" in damaged


def test_the_time_left_is_that_of_the_latest_rate(run: Path) -> None:
    slow = with_records(run, *(trained(n, 1.0) for n in range(5)), *(trained(20 + n, 10.0) for n in range(10)))
    assert slow.left is not None
    assert slow.left.total_seconds() == round((320 - 29) / 10)
    assert with_records(run).left is None


def test_a_report_before_the_first_validation(run: Path) -> None:
    shutil.rmtree(run / "samples")
    with_records(run, trained(16), {"kind": "train"}, {"kind": "train", "images": "x"}, {"kind": "new", "images": 17})
    Report().write(run)
    assert "17 of 320 images" in report(run)
    assert moments(report(run)) == []


@pytest.mark.parametrize("count", [0, 1, 2, 39, 40, 41, 79, 80, 1000])
def test_moments_are_few_evenly_spaced_and_stay(count: int) -> None:
    kept = thinned(range(count))
    assert len(kept) == len(set(kept)) <= MOST_MOMENTS
    assert len(kept) >= min(count, MOST_MOMENTS // 2)
    assert kept[-1:] == list(range(count))[-1:]
    assert len({after - before for before, after in pairwise(kept[:-1])}) <= 1
    assert set(thinned(range(count + 1))[:-1]) <= set(kept)


def test_a_picture_is_made_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Moments()
    first = kept.of(run, (1, 8, 8), 320)
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("opened again"))
    assert kept.of(run, (1, 8, 8), 320) == first


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_a_picture_of_samples_gives_its_images_back(channels: int) -> None:
    images = torch.randint(256, (6, channels, 10, 8), dtype=torch.uint8)
    pictures = [grid(images, 3), grid(255 - images, 3)]
    parts = unstacked(stacked({"a": pictures[0], "b": pictures[1]}), 2)
    for part, expected in zip(parts, (images, 255 - images), strict=True):
        own = [tile.resize((8, 10), Image.Resampling.NEAREST) for tile in tiles(part, 2, 3)]
        plain = [as_picture(image) for image in expected.permute(0, 2, 3, 1).numpy()]
        assert [each.tobytes() for each in own] == [each.tobytes() for each in plain]


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (96, 96), (256, 256), (32, 512), (512, 8)])
def test_thumbnails_are_bounded(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)) for _ in range(20)]
    address = thumbnails(images)
    width, height = decoded(address).size
    assert width * height < 1.5 * MOST_PIXELS
    assert len(address) < 2 * MOST_PIXELS


def test_a_long_training_has_a_small_report(run: Path) -> None:
    lines = [line for n in range(2000) for line in (trained(16 * n), validated(16 * n, 3.0))]
    with_records(run, *lines)
    picture = (run / "samples" / "000000160.png").read_bytes()
    for n in range(200):
        (run / "samples" / f"{160 * n:09d}.png").write_bytes(picture)
    Report().write(run)
    assert len(report(run)) < 200_000
    assert len(moments(report(run))) <= MOST_MOMENTS


def test_a_curve_of_many_points_keeps_its_shape() -> None:
    points = [(n, float(n)) for n in range(1, 10_001)]
    drawn = fewer(points)
    assert len(drawn) <= 300
    assert drawn[-1] == (10_000, 10_000.0)
    assert all(abs(images - value) < 40 for images, value in drawn)


def test_a_chart_shows_the_end_although_the_beginning_is_far_above() -> None:
    points = [(n, 1000.0 if n == 1 else 2.0 + 1 / n) for n in range(1, 101)]
    page = chart("Bits", [Curve("a & b", "training", points)], 100, "{:.2f}".format)
    assert "a &amp; b <b>2.01</b>" in page
    beside = [float(each) for each in re.findall(r'class="y"[^>]*>([^<]*)<', page)]
    assert 2 <= min(beside) < max(beside) < 2.5
    assert chart("Bits", [Curve("none", "training", [])], 100, "{:.2f}".format) == ""


def test_a_chart_of_one_value() -> None:
    page = chart("Bits", [Curve("a", "training", [(16, 0.0)])], 100, "{:.2f}".format)
    assert 'class="dots training" d="M160.0 500.0h0"' in page


def test_a_histogram_has_a_bar_for_each_range() -> None:
    page = histogram("Bits", [1, 0, 4], (1.0, 4.0))
    assert page.count("V1000z") == 2
    assert "Bits: 5 images from 1 to 4" in page
    assert histogram("Bits", [0], (1.0, 2.0))
