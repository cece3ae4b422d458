"""The commands as a user types them: what they print and write, and one sentence for each mistake."""

import csv
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from glowflow import Glow, captions, load
from glowflow.cli import main
from glowflow.evaluate import likelihood
from glowflow.stored import StoredModel
from tests import foreign_weights
from tests.helpers import lay_out, sentence

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images in two sub-folders, a preset for them, and a run trained with it."""
    home = tmp_path_factory.mktemp("home")
    os.environ["GLOWFLOW_CACHE"] = str(home / "cache")
    lay_out(home)
    return home


@pytest.fixture(autouse=True)
def _cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(home / "cache"))
    monkeypatch.chdir(home)


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command prints for a user's mistake, with exit code 2."""
    capsys.readouterr()
    assert main(arguments) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert lines[-1].startswith("glowflow: ")
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return lines[-1]


BARE = ("--enlarge", "1")
"""The images alone, pixel for pixel."""


def pixels_in(path: str) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_evaluate(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run", "--json", "result.json", "--draws", "2"]) == 0
    out = capsys.readouterr().out
    result = json.loads((home / "result.json").read_text())
    assert f"{result['bits_per_dim']:.4f}, standard error {result['standard_error']:.4f} over images" in out
    assert "exact: largest difference 0 of 32 levels" in out
    assert result["reconstruction_error_levels"] == 0
    assert result["weights"] == "averaged"
    assert result["num_noise_draws"] == 2
    assert result.keys() >= {"commit", "torch", "machine", "seed", "split", "num_bits", "image_shape", "num_images"}
    assert main(["evaluate", "run", "--weights", "raw", "--json", "raw.json"]) == 0
    assert json.loads((home / "raw.json").read_text())["bits_per_dim"] != result["bits_per_dim"]


def test_evaluate_with_importance_weights(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run", "--json", "k.json", "--importance", "3", "--draws", "2"]) == 0
    result = json.loads((home / "k.json").read_text())
    assert (result["importance"], result["num_noise_draws"]) == (3, 2)
    assert result["bound"] == "uniform dequantisation, 3 importance draws"
    out = capsys.readouterr().out
    assert f"{result['bits_per_dim']:.4f} (bound: {result['bound']}), standard error" in out
    assert "2 estimates of 3 draws each" in out
    assert "--importance is 0; it takes a whole number" in sentence(capsys, "evaluate", "run", "--importance", "0")


def test_evaluate_last_checkpoint_directly() -> None:
    assert main(["evaluate", "run/last", "--data", "pictures"]) == 0


def test_score_agrees_with_evaluate(home: Path) -> None:
    """Their noise differs: for `score` it's a function of the image, and not of its row."""
    assert main(["score", "run", "--split", "all", "--out", "scores.csv"]) == 0
    rows = list(csv.DictReader((home / "scores.csv").read_text().splitlines()))
    assert len(rows) == 60
    assert {Path(row["image"]).parent.name for row in rows} == {row["label"] for row in rows} == {"bright", "dark"}
    assert main(["evaluate", "run", "--json", "result.json"]) == 0
    mean = np.mean([float(row["bits_per_dim"]) for row in rows if row["split"] == "test"])
    assert mean == pytest.approx(json.loads((home / "result.json").read_text())["bits_per_dim"], abs=0.01)
    test = load("pictures", (3, 8, 8), "test").with_noise_by_content()
    assert mean == pytest.approx(likelihood(Glow.from_pretrained("run").freeze(), test).bits_per_dim, abs=1e-4)


def test_a_single_image_can_be_scored(home: Path) -> None:
    (home / "single").mkdir()
    shutil.copy(next((home / "pictures" / "dark").glob("*.png")), home / "single")
    assert main(["score", "run", "--data", "single", "--out", "single.csv"]) == 0
    assert len((home / "single.csv").read_text().splitlines()) == 2


def test_sample_is_reproducible(home: Path) -> None:
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        assert main(["sample", "run", "--out", name, "--num", "6", "--seed", str(seed)]) == 0
    first, same, other = (np.asarray(Image.open(home / name)) for name in ("a.png", "b.png", "c.png"))
    assert (first == same).all()
    assert first.shape == other.shape
    assert (first != other).any()


def test_a_class_conditional_model_from_end_to_end(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = json.loads((home / "tiny.yaml").read_text())
    preset["model"] |= {"num_classes": 2, "classifier": True}
    preset["train"] |= {"weight_y": 1.0, "images": 64, "lr": 0.01, "warmup_images": 0}
    (home / "classes.yaml").write_text(json.dumps(preset))
    assert main(["train", "classes.yaml", "--out", "classes"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "classes", "--split", "train", "--json", "classes.json"]) == 0
    result = json.loads((home / "classes.json").read_text())
    assert f"{result['classification_error']:.1%} of images wrong, by the classifier" in capsys.readouterr().out
    for name, label in {"named.png": "dark", "numbered.png": "1", "other.png": "bright", "all.png": None}.items():
        chosen = ["--label", label] if label else []
        assert main(["sample", "classes", "--num", "4", "--temperature", "1", "--out", name, *BARE, *chosen]) == 0
    named, numbered, other, rows = (
        np.asarray(Image.open(home / f"{n}.png")) for n in ("named", "numbered", "other", "all")
    )
    half = len(rows) // 2
    assert (named == numbered).all()
    assert (named != other).any()
    assert (rows[:half] == other[:half]).all()  # a row for each class
    assert (rows[half:] == named[half:]).all()
    picture = str(next((home / "pictures" / "dark").glob("*.png")))
    assert main(["reconstruct", "classes", picture, "--label", "dark"]) == 0
    assert "classes are bright, dark" in fails(capsys, "sample", "classes", "--label", "grey")
    assert "isn't class-conditional" in fails(capsys, "sample", "run", "--label", "dark")
    assert "give --label" in fails(capsys, "reconstruct", "classes", picture)
    shutil.copytree(home / "pictures" / "dark", home / "others" / "grey")
    shutil.copytree(home / "pictures" / "bright", home / "others" / "bright")
    assert "the class grey" in fails(capsys, "evaluate", "classes", "--data", "others")
    (home / "pictures" / "dark").rename(home / "pictures" / "somber")
    try:
        sentence = fails(capsys, "train", "classes.yaml", "--out", "classes", "--train.images", "128")
        assert "bright, somber now" in sentence
    finally:
        (home / "pictures" / "somber").rename(home / "pictures" / "dark")


def test_importing_pytorch_checkpoints(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for base, case, options in (
        ("rosinality", "affine, LU", ["--image-size", "8", "--bits", "8"]),
        ("rosinality", "additive, LU, grey, 5 bits", ["--image-size", "8x12", "--bits", "5"]),
        ("y0ast", "affine, reverse", ["--permutation", "reverse"]),
    ):
        recorded = json.loads((DATA / f"{base}.json").read_text())["cases"][case]
        weights = foreign_weights.fill(recorded["shapes"], recorded["seed"])
        torch.save({name: torch.from_numpy(value) for name, value in weights.items()}, home / "foreign.pt")
        out = f"{base} {case}"
        assert main(["import", base, "foreign.pt", out, *options]) == 0
        assert f"{len(weights)} tensors" in capsys.readouterr().out
        assert main(["sample", out, "--num", "2"]) == 0
    assert "--image-size" in fails(capsys, "import", "rosinality", "foreign.pt", "none")
    sizes = ("--image-size", "8", "--bits", "8")
    assert "lacks" in fails(capsys, "import", "rosinality", "foreign.pt", "none", *sizes)
    assert "a shuffle's order" in fails(capsys, "import", "y0ast", "foreign.pt", "none", "--permutation", "shuffle")
    assert "is missing" in fails(capsys, "import", "y0ast", "absent.pt", "none")
    assert not (home / "none").exists()


def test_reconstruct(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((home / "pictures" / "dark").glob("*.png"))[:3]
    assert main(["reconstruct", "run", *map(str, files), "--out", "both.png", *BARE]) == 0
    assert capsys.readouterr().out.count("reconstructed exactly") == 3
    picture = np.asarray(Image.open(home / "both.png"))
    half = picture.shape[0] // 2
    assert (picture[: half - 1] == picture[half + 1 :]).all()


def test_data_commands(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert main(["data", "list"]) == 0
    assert "digits" in capsys.readouterr().out
    assert main(["data", "prepare", "pictures", "--image_shape", "[3, 8, 8]"]) == 0
    assert "train" in capsys.readouterr().out
    assert main(["data", "show", "pictures", "--image_shape", "[3, 8, 8]", "--out", "show.png"]) == 0
    assert "dark" in capsys.readouterr().out
    with Image.open(home / "show.png") as picture:
        assert picture.mode == "RGB"


def test_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if " cifar10 " in line)
    assert "44.60" in row
    assert "3.35" in row


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "evaluate", "score", "sample", "reconstruct", "demo", "data show", "presets"]
    for command in map(str.split, words):
        with pytest.raises(SystemExit) as stop:
            main([*command, "--help"])
        assert stop.value.code == 0
        assert f"Example: glowflow {' '.join(command)}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("train digit", "There is no preset 'digit': perhaps 'digits' is meant."),
        ("train absent.yaml", "absent.yaml can't be read: No such file or directory."),
        ("train digits --model.stepz 3", "perhaps --model.steps is meant"),
        ("train digits --train.lr fast", "--train.lr is fast; it takes a number."),
        ("train digits --model.levels 7", "An image of 28x28 can't have 7 levels; it can have 1, 2."),
        ("train digits --data nowhere", "nowhere"),
        ("train cifar10", "cifar10"),
        ("train digits --device tpu", "There is no device 'tpu' here"),
        ("evaluate nowhere", "No model in nowhere"),
        ("evaluate pictures", "No model in pictures"),
        ("evaluate run --split tset", "tset"),
        ("evaluate run --data digits", "28"),
        ("sample run --label 3", "isn't class-conditional"),
        ("sample run --num 0", "at least 1"),
        ("sample run --columns 0", "from 1 to 1,000"),
        ("sample run --seed -1", "--seed is -1"),
        ("sample run --out pictures", "it is a folder"),
        ("evaluate run --seed 99999999999999999999", "--seed"),
        ("evaluate run --device cpu:x", "There is no device 'cpu:x' here"),
        ("evaluate .", "No model in ."),
        ("evaluate run --samples 5", "--samples is 5; it takes a whole number from 6 to 10000."),
        ("evaluate run --samples many", "--samples is many; it takes a whole number."),
        ("evaluate run --samples 9", "won't see; --samples needs at least 6 of each."),
        ("evaluate run --samples 7 --temperature -1", "--temperature is -1; it takes numbers of at least 0."),
        ("sample run --temperature .nan", "--temperature is nan; it takes numbers of at least 0."),
        ("sample run --temperature []", "it takes numbers of at least 0."),
        ("train --out other", "arguments are required: preset;"),
        ("train digits --model.num_classes 10 --model.classifier true", "go together"),
        ("sample run --out nowhere/a.png", "there is no folder nowhere"),
        ("sample run --out a.xyz", "a.xyz can't be written"),
        ("reconstruct run tiny.yaml", "tiny.yaml"),
        ("reconstruct run", "images"),
        ("data show pictures", "--image-shape"),
        ("train digits --lr 0.1", "perhaps --train.lr is meant"),
        (
            "train digits --value_range low,high",
            "--train.value-range is low,high; it takes two numbers, such as 0,4095.",
        ),
        (
            "train digits --train.value_range -5,-10",
            "The value range is -5,-10; it takes two numbers, the smaller first",
        ),
        ("train digits --model.learn_top maybe", "--model.learn-top is maybe; it takes true or false."),
        ("train digits --model.steps [1,x]", "is [1,x]; it takes a whole number or a list of whole numbers."),
        (
            "train digits --model.conditioner {kind:attention",
            "{kind:attention begins as a list or a mapping of options, and doesn't end as one.",
        ),
        ("train digits --train.lr", "--train.lr: expected one argument; see glowflow train --help"),
        ("train digits --model.coupling no", "coupling is 'no'; it takes one of affine,"),
        ("frobnicate", "frobnicate means nothing to glowflow: see glowflow --help."),
        ("smaple run", "smaple means nothing to glowflow: perhaps sample is meant."),
        ("data shwo digits", "shwo means nothing to glowflow data: perhaps show is meant."),
        ("--frobnicate", "unrecognized arguments: --frobnicate; see glowflow --help"),
        ("interpolate run a.png b.png --num 1.5", "--num is 1.5; it takes a whole number."),
        ("sample run --temperature warm", "--temperature is warm; it takes a number or a list of numbers."),
        ("interpolate run a.png b.png --path round", "--path is round; it takes one of linear, spherical."),
        ("demo run extra", "extra means nothing to glowflow demo: see glowflow demo --help."),
        ("sample run --temprature 1", "--temprature means nothing to glowflow sample: perhaps --temperature is meant."),
        ("export openai run --out a", "--out means nothing to glowflow export openai: OUT is given without a name."),
        ("reconstruct run --imags a.png", "see glowflow reconstruct --help"),
        ("", "takes one of train"),
    ],
)
def test_mistakes_get_one_sentence(capsys: pytest.CaptureFixture[str], arguments: str, sentence: str) -> None:
    assert sentence in fails(capsys, *arguments.split())


def test_options_may_stand_anywhere_and_lists_without_brackets(home: Path) -> None:
    words = "train --out anywhere --train.images 16 tiny.yaml --model.image-shape 3,8,8"
    assert main(words.split()) == 0
    settings = yaml.safe_load((home / "anywhere" / "config.yaml").read_text())
    assert settings["model"]["image_shape"] == [3, 8, 8]
    assert main(["sample", "--num", "1", "--temperature", "0,1", "run"]) == 0


def test_a_misspelt_key_in_a_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bad.yaml").write_text("model: {image_shape: [3, 8, 8], widht: 8}")
    assert "bad.yaml, under model, has an unknown key 'widht': perhaps 'width' is meant." in fails(
        capsys, "train", "bad.yaml"
    )


def test_a_folder_without_images(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "empty").mkdir(exist_ok=True)
    assert "empty" in fails(capsys, "train", "tiny.yaml", "--data", "empty", "--out", "other")
    assert not (home / "other").exists()


def test_images_smaller_than_the_model(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fails(capsys, "train", "tiny.yaml", "--model.image_shape", "[3, 64, 64]", "--out", "other")
    assert "12x12" in message
    assert not (home / "other").exists()


def test_an_archive_of_the_wrong_type(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(home / "floats.npz", images=np.zeros((9, 8, 8, 3)))
    assert "float64" in fails(capsys, "train", "tiny.yaml", "--data", "floats.npz", "--out", "other")


def test_a_corrupt_checkpoint(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(home / "run", home / "corrupt")
    path = home / "corrupt" / "best" / "model.safetensors"
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])
    assert "model.safetensors is damaged" in fails(capsys, "evaluate", "corrupt")


def test_a_checkpoint_of_another_architecture(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(home / "run", home / "foreign")
    path = home / "foreign" / "best" / "config.json"
    path.write_text(path.read_text().replace('"steps": 1', '"steps": 2'))
    assert "isn't what was written" in fails(capsys, "sample", "foreign")
    (home / "foreign" / "best" / "digests.json").unlink()
    assert "different architecture" in fails(capsys, "sample", "foreign")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "locked").mkdir(mode=0o500)
    assert "Permission denied" in fails(capsys, "train", "tiny.yaml", "--out", "locked/run")


def test_a_file_where_the_run_should_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "file").write_text("mine")
    assert "file" in fails(capsys, "train", "tiny.yaml", "--out", "file/run")
    assert "file" in fails(capsys, "train", "tiny.yaml", "--out", "file")
    assert (home / "file").read_text() == "mine"


def test_no_space(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "scores.csv")

    (home / "scores.csv").write_text("mine")
    monkeypatch.setattr(os, "fsync", full)
    assert "scores.csv: No space left on device." in fails(capsys, "score", "run", "--out", "scores.csv")
    assert (home / "scores.csv").read_text() == "mine"
    assert not (home / ".scores.csv.partial").exists()


def test_control_c_saves_and_exits_with_130(home: Path) -> None:
    command = [sys.executable, "-m", "glowflow", "train", "tiny.yaml", "--out", "stopped", "--train.images", "1000000"]
    process = subprocess.Popen(command, cwd=home, stderr=subprocess.PIPE, text=True)
    while not (home / "stopped" / "best").exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command goes on." in err.splitlines()[-1]
    position = json.loads((home / "stopped" / "last" / "training.json").read_text())["position"]
    more = [*command[:-1], str(position + 32)]
    result = subprocess.run(more, cwd=home, capture_output=True, text=True, check=True)
    assert f"Going on with stopped at {position:,}" in result.stderr


def test_what_is_lacking_is_named_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "import takes one of openai, rosinality, y0ast;" in fails(capsys, "import")
    assert "arguments are required: out;" in fails(capsys, "import", "openai", "model.ckpt")
    assert "--model" not in fails(capsys, "import", "y0ast", "a.pt", "b", "--image-size", "32")


def test_attributes_and_edits(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no directions for attributes yet" in fails(capsys, "edit", "run", "a.png", "--by.bright", "1")
    assert main(["attributes", "run"]) == 0
    assert "bright  24 images with it, 21 without; a strength of 1 is" in capsys.readouterr().out
    picture = str(home / "pictures" / "dark" / "0.png")
    assert main(["edit", "run", picture, picture, "--by.bright", "1", "--by.dark=-0.5", "--num", "3", *BARE]) == 0
    pixels = pixels_in("edited.png")
    assert pixels.shape == (2 * 8 + 2, 3 * 8 + 2 * 2, 3)
    assert pixels[:, -8:].mean() > pixels[:, :8].mean() + 20
    assert "--by.NAME STRENGTH; NAME is one of bright, dark" in fails(capsys, "edit", "run", picture)
    assert "no direction for 'light'" in fails(capsys, "edit", "run", picture, "--by.light", "1")
    assert "no direction for '8'" in fails(capsys, "edit", "run", picture, "--by.8", "1")
    assert "--by.dark is 2; it takes a strength from -1 to 1" in fails(capsys, "edit", "run", picture, "--by.dark", "2")
    for num in ("0", "1"):
        assert f"--num is {num}" in fails(capsys, "edit", "run", picture, "--by.dark", "1", "--num", num)
    for said in ("--by.dark lots", "--by.dark=lots", "--by dark lots", "--by dark=lots"):
        sentence = fails(capsys, "edit", "run", picture, *said.split())
        assert "--by.dark is lots; it takes a strength from -1 to 1." in sentence
    assert "--by.dark is nan; it takes a strength" in fails(capsys, "edit", "run", picture, "--by.dark", "nan")
    assert "--by.dark is without a number" in fails(capsys, "edit", "run", picture, "--by.dark")
    for said in ("--by dark 1", "--by dark=1", "--by.dark=1"):
        assert main(["edit", "run", *said.split(), picture]) == 0
    assert main(["attributes", "run", "--scale", "1"]) == 0
    assert main(["edit", "run", picture, "--by.bright", "1", *BARE]) == 0
    once = pixels_in("edited.png")
    assert main(["attributes", "run", "--scale", "2"]) == 0
    assert main(["edit", "run", picture, "--by.bright", "0.5", *BARE]) == 0
    assert np.array_equal(pixels_in("edited.png"), once)
    assert "--scale is 0" in fails(capsys, "attributes", "run", "--scale", "0")
    assert "--num-images is -1" in fails(capsys, "attributes", "run", "--num_images", "-1")
    assert "pictures has no attribute 'blue'" in fails(capsys, "attributes", "run", "--names", "bright,blue")


def test_an_edit_that_goes_too_far_is_reported(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [str(home / "pictures" / "dark" / f"{number}.png") for number in (0, 2)]
    assert main(["attributes", "run"]) == 0
    assert "may go wrong" not in capsys.readouterr().err
    assert main(["edit", "run", *pictures, "--by.bright", "1"]) == 0
    assert "Try a strength" not in capsys.readouterr().err
    assert main(["attributes", "run", "--scale", "1000"]) == 0
    assert (
        "Edits along bright may go wrong at strength 1: 100% of images that are edited towards"
        in capsys.readouterr().err
    )
    assert main(["edit", "run", *pictures, "--by.bright", "1", "--out", "far.png", *BARE]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "fallen apart" in line]
    assert len(lines) == 2
    assert lines[1].startswith(f"{pictures[1]} with --by.bright=1 takes ")
    assert lines[1].endswith("Try a strength nearer to 0.")
    assert pixels_in("far.png").shape == (2 * 8 + 2, 2 * 8 + 2, 3)
    assert main(["edit", "run", *pictures, "--by.bright", "0"]) == 0
    assert "Try a strength" not in capsys.readouterr().err


def test_edits_by_directions_without_a_range(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Older directions have no range. The training's range of bits/dim is used, if there is one."""
    shutil.copytree(home / "run", home / "older")
    assert main(["attributes", "older", "--scale", "1000"]) == 0
    found = json.loads((home / "older" / "directions.json").read_text())
    del found["usual"]
    (home / "older" / "directions.json").write_text(json.dumps(found))
    edit = ["edit", "older", str(home / "pictures" / "dark" / "0.png"), "--by.bright", "1"]
    capsys.readouterr()
    assert main(edit) == 0
    assert "Try a strength" not in capsys.readouterr().err
    usual = {"data": "pictures", "images": 100, "bits_per_dim": {"1%": 4.0, "50%": 4.5, "99%": 5.0}}
    (home / "older" / "best" / "usual.json").write_text(json.dumps(usual))
    assert main(edit) == 0
    assert "where at most 5.00 are usual" in capsys.readouterr().err


def test_directions_that_cannot_be_written(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(home / "run" / "best", home / "bundled" / "ours")
    monkeypatch.setattr("glowflow.weights.BUNDLED", home / "bundled")
    assert "and ours is in " in fails(capsys, "attributes", "ours", "--data", "pictures")
    (home / "ours").mkdir()  # a folder of that name isn't the model's
    assert "and ours is in " in fails(capsys, "attributes", "ours", "--data", "pictures")
    (home / "ours").rmdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "Directions can't be written into run" in fails(capsys, "attributes", "run")


def test_attributes_of_any_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in {"no glasses": "dark", "v1.5 = glasses": "bright"}.items():
        shutil.copytree(home / "pictures" / kind, home / "named" / name)
    shutil.copytree(home / "run", home / "other run")
    capsys.readouterr()
    assert main(["attributes", "other run", "--data", "named", "--names", "v1.5 = glasses"]) == 0
    said = capsys.readouterr().err
    assert "1 direction in other run." in said
    _, *words = shlex.split(said[said.index("Next: glowflow") + len("Next: ") :])
    picture = str(home / "pictures" / "dark" / "0.png")
    assert main([picture if word == "IMAGE" else word for word in words]) == 0
    assert main(["edit", "other run", picture, "--by.v1.5 = glasses", "0.5"]) == 0
    assert "1 image edited in edited.png." in capsys.readouterr().err


def test_attributes_with_commas(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in {"Paris, France": "dark", "Paris": "bright", "a,b=c": "dark"}.items():
        shutil.copytree(home / "pictures" / kind, home / "places" / name)
    shutil.copytree(home / "run", home / "abroad")

    def found(*arguments: str) -> set[str]:
        capsys.readouterr()
        assert main(["attributes", "abroad", "--data", "places", *arguments]) == 0
        return {line.partition("  ")[0] for line in capsys.readouterr().out.splitlines()}

    assert found("--names", "Paris, France") == {"Paris, France"}
    assert found("--names", "Paris,Paris, France") == {"Paris", "Paris, France"}
    assert found("--names", "Paris, a,b=c") == {"Paris", "a,b=c"}
    assert found("--names", "Paris", "--names", "a,b=c") == {"Paris", "a,b=c"}
    assert found("--names", "Paris", "--orthogonal-to", "Paris, France") == {"Paris", "Paris, France"}
    picture = str(home / "pictures" / "dark" / "0.png")
    assert main(["edit", "abroad", picture, "--by.Paris, France", "0.5", "--by", "a,b=c=-1"]) == 0
    sentence = fails(capsys, "attributes", "abroad", "--data", "places", "--names", "Paris, Texas")
    assert "places has no attribute 'Texas'; it has Paris, 'Paris, France', a,b=c." in sentence


def test_small_images_are_enlarged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (3, 5), "red").save(home / "small.png")
    for command in ("reconstruct run small.png", "vary run small.png --num 1", "interpolate run small.png small.png"):
        assert main(command.split()) == 0
    assert "1 variation of 1 image in variations.png" in capsys.readouterr().err


def test_images_that_cannot_be_read(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(capsys, "reconstruct", "run", "absent.png") == "glowflow: There is no file absent.png."
    assert fails(capsys, "reconstruct", "run", "pictures") == "glowflow: pictures can't be read: Is a directory."
    Image.new("1", (10_000, 9_500)).save(home / "large.png")
    with warnings.catch_warnings():
        assert main(["reconstruct", "run", "large.png"]) == 0
    assert "Warning" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["interpolate run a.png b.png", "vary run a.png", "edit run a.png --by.bright 1"])
def test_rows_are_bounded(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "--num is 100000000; it takes a whole number from" in fails(capsys, *command.split(), "--num", "100000000")


def test_evaluate_without_raw_weights(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that was given away may lack its raw weights."""
    Glow.from_pretrained("run").save_pretrained("given", "averaged")
    assert main(["evaluate", "given", "--data", str(home / "pictures"), "--json", "given.json"]) == 0
    assert "given (averaged weights)" in capsys.readouterr().out
    assert json.loads(Path("given.json").read_text())["bits_per_dim_raw"] is None
    assert "raw.safetensors is missing" in fails(
        capsys, "evaluate", "given", "--data", str(home / "pictures"), "--weights", "raw"
    )


def test_encode_and_decode(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [str(home / "pictures" / name) for name in ("dark/0.png", "bright/1.png")]
    assert main(["encode", "run", *pictures]) == 0
    assert main(["decode", "run", "latents.safetensors", *BARE]) == 0
    assert main(["interpolate", "run", *pictures, "--num", "2", *BARE]) == 0
    assert np.array_equal(pixels_in("decoded.png"), pixels_in("interpolation.png"))  # whose ends are the images
    z = load_file("latents.safetensors")["z"]
    assert (len(z), z.dtype) == (2, torch.float64)
    Path("page.f64").write_bytes(z[1].numpy().tobytes())
    assert main(["decode", "run", "page.f64", *BARE]) == 0
    assert np.array_equal(pixels_in("decoded.png"), pixels_in("interpolation.png")[:, -8:])
    save_file({"z": z[:0]}, "empty.safetensors", {"model": StoredModel.open("run").digest})
    assert "empty.safetensors has no latents in it" in fails(capsys, "decode", "run", "empty.safetensors")
    assert "end in .safetensors" in fails(capsys, "encode", "run", pictures[0], "--out", "z.npy")
    save_file({"z": z}, "others.safetensors")
    assert "latents of another model, or of other weights" in fails(capsys, "decode", "run", "others.safetensors")
    Path("short.f64").write_bytes(b"12345678")
    for name in ("short.f64", "none.f64"):
        assert f"{name} has no latents of run" in fails(capsys, "decode", "run", name)
    assert "none.safetensors is missing" in fails(capsys, "decode", "run", "none.safetensors")
    assert "--columns is 0" in fails(capsys, "decode", "run", "page.f64", "--columns", "0")


@pytest.mark.parametrize("kind", ["png", "webp", "gif", "mp4"])
def test_interpolate(home: Path, kind: str) -> None:
    first, last = (str(home / "pictures" / name) for name in ("dark/0.png", "bright/1.png"))
    out = f"path.{kind}"
    assert main(["interpolate", "run", first, last, "--num", "5", "--path", "spherical", "--out", out, *BARE]) == 0
    if kind == "mp4":
        assert Path("path.mp4").read_bytes()[4:8] == b"ftyp"
        return
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) == (1 if kind == "png" else 8)
        assert picture.size == (5 * 8 + 4 * 2 if kind == "png" else 8, 8)
        if kind == "webp":  # starts with the image, every pixel
            assert main(["interpolate", "run", first, last, "--num", "2", *BARE]) == 0
            assert np.array_equal(np.asarray(picture.convert("RGB")), pixels_in("interpolation.png")[:, :8])


def test_vary(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(home / "pictures" / "dark" / "0.png")
    assert main(["vary", "run", picture, "--num", "3", *BARE]) == 0
    three = pixels_in("variations.png")
    assert three.shape == (8, 4 * 8 + 3 * 2, 3)  # the model has a single level
    assert main(["vary", "run", picture, picture, "--num", "1", *BARE]) == 0
    assert np.array_equal(pixels_in("variations.png")[-8:], three[:, :18])  # whatever is drawn before
    assert main(["vary", "run", picture, "--keep", "1", "--num", "1", *BARE]) == 0
    pixels = pixels_in("variations.png")
    assert np.array_equal(pixels[:, :8], pixels[:, 10:])
    assert "has 1 levels, of which 0 to 1 can be kept" in fails(capsys, "vary", "run", picture, "--keep", "2")


def test_sample_temperatures() -> None:
    assert main(["sample", "run", "--num", "3", "--temperature", "[0, 0.5, 1]", *BARE]) == 0
    picture = pixels_in("samples.png")
    assert picture.shape[:2] == (3 * 8 + 2 * 2, 3 * 8 + 2 * 2)
    assert np.array_equal(picture[:8, :8], picture[:8, 10:18])  # at 0 all are the same
    assert not np.array_equal(picture[-8:, :8], picture[-8:, 10:18])
    assert main(["sample", "run", "--num", "3", "--columns", "2", "--temperature", "[0, 1]", *BARE]) == 0
    wrapped = pixels_in("samples.png")
    assert np.array_equal(wrapped[20:28], picture[-8:, :18])  # a temperature begins a row
    assert (wrapped[10:18, 10:] == 255).all()


@pytest.mark.parametrize(
    ("command", "has_captions"),
    [
        ("reconstruct run pictures/dark/0.png pictures/bright/1.png", True),
        ("edit run pictures/dark/0.png --by.bright 1", True),
        ("interpolate run pictures/dark/0.png pictures/bright/1.png", True),
        ("vary run pictures/dark/0.png --num 3", True),
        ("sample run --temperature [0.5,1] --num 4", True),
        ("sample run --num 4", False),
        ("decode run latents.safetensors", False),
    ],
)
def test_pictures_can_be_looked_at(capsys: pytest.CaptureFixture[str], command: str, *, has_captions: bool) -> None:
    """Each pixel of the picture is drawn large, and captions are added if there are any."""
    assert main(["attributes", "run"]) == 0
    assert main(["encode", "run", "pictures/dark/0.png"]) == 0
    assert main([*command.split(), "--out", "bare.png", *BARE]) == 0
    assert main([*command.split(), "--out", "shown.png"]) == 0
    last, shown = pixels_in("bare.png")[-8:, -8:], pixels_in("shown.png")
    border = captions.MARGIN if has_captions else 0
    inside = shown[: len(shown) - border, : shown.shape[1] - border]
    factors = [n for n in range(1, 65) if np.array_equal(inside[-8 * n :, -8 * n :], last.repeat(n, 0).repeat(n, 1))]
    assert 128 <= 8 * max(factors) <= 256
    assert "--enlarge is 0; it takes a whole number" in fails(capsys, *command.split(), "--enlarge", "0")


def test_pictures_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = fails(capsys, "sample", "run", "--num", "1100", "--enlarge", "64")
    assert "at --enlarge 64, and this one would have 1,100" in sentence


def test_a_picture_of_one_image_is_that_image() -> None:
    """However large it was drawn."""
    for name, options in {"small": BARE, "large": (), "larger": ("--enlarge", "33")}.items():
        assert main(["sample", "run", "--num", "1", "--out", f"{name}.png", *options]) == 0
        assert main(["encode", "run", f"{name}.png", "--out", f"{name}.safetensors"]) == 0
    small, *others = (load_file(f"{name}.safetensors")["z"] for name in ("small", "large", "larger"))
    assert all(torch.equal(small, other) for other in others)


@pytest.mark.parametrize("name", ["x.mpg", "x.psd", "x.h5", "x.xbm", "x"])
def test_pictures_that_cannot_be_written(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert "a picture's name ends in .png" in fails(capsys, "sample", "run", "--num", "1", "--out", name)


def test_a_picture_too_large_for_its_format(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "wide.webp").write_text("as it was")
    arguments = ("sample", "run", "--num", "300", "--columns", "300", "--out", "wide.webp")
    assert "wide.webp can't be written as WEBP" in fails(capsys, *arguments)
    assert (home / "wide.webp").read_text() == "as it was"
    assert "--temperature" in fails(capsys, "sample", "run", "--temperature", "[]")
