"""Words that YAML reads as dates, numbers, false or nothing can name folders like any others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from glowflow import InputError
from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.experiments import definition
from glowflow.presets import load_run, read
from glowflow.training.run import claimed, read_config
from tests.helpers import sentence

READ = {
    "no": "false",
    "true": "true",
    "null": "nothing",
    "~": "nothing",
    "2024-01-01": "the date 2024-01-01",
    "1e3": "the number 1000.0",
    "0x10": "the number 16",
    "010": "the number 10",
    "12:30:45": "the number 45045",
    "[a]": "a list",
    "{a: b}": "keys and values",
}
"""Words, with the values that YAML reads them as."""

PRESET = """
model: {image_shape: [3, 8, 8], steps: 1, width: 8}
train:
"""


@pytest.mark.parametrize("word", [word for word in READ if word != "~"])
def test_a_word_on_the_command_line(home: Path, capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert f"folder or file {word!r}" in sentence(capsys, "evaluate", "run", "--data", word)
    assert f"folder or file {word!r}" in sentence(capsys, "data", "show", word, "--image_shape", "[3, 8, 8]")
    assert f"--label is {word};" in sentence(capsys, "sample", "run", "--label", word)
    assert f"no device {word!r}" in sentence(capsys, "sample", "run", f"--device={word}")
    assert f"No model in {word}:" in sentence(capsys, "sample", word)
    assert f"no preset {word!r}" in sentence(capsys, "train", word)
    for option in ("--data", "--train.data"):
        assert f"folder or file {word!r}" in sentence(capsys, "train", "tiny.yaml", "--out", "new", option, word)
    for option in ("--from", "--train.start"):
        message = sentence(capsys, "train", "tiny.yaml", "--out", f"{option} {word}", option, word)
        assert f"No model in {word}:" in message


def test_a_folder_called_no(home: Path) -> None:
    (home / "pictures").rename(home / "no")
    assert main(["train", "tiny.yaml", "--out", "null", "--data", "no"]) == 0
    assert main(["evaluate", "null", "--json", "null.json"]) == 0
    assert json.loads(Path("null.json").read_text())["data"] == "no"
    assert main(["score", "null", "--out", "2024-01-01"]) == 0
    assert Path("2024-01-01").is_file()


@pytest.mark.parametrize("option", ["--data=", "--train.data=", "--from=", "--out="])
def test_an_empty_word_is_no_name(home: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    """An unset shell variable gives an empty path, which would mean the current directory."""
    assert "is empty; it takes a name" in sentence(capsys, "train", "tiny.yaml", option)
    assert "model is empty" in sentence(capsys, "sample", "")


@pytest.mark.parametrize(("word", "read"), READ.items())
def test_a_word_in_a_file(home: Path, capsys: pytest.CaptureFixture[str], word: str, read: str) -> None:
    Path("mine.yaml").write_text(f"{PRESET}  data: {word}")
    message = f"mine.yaml, under train, sets data to what YAML reads as {read}, not as text: put it in quotes."
    assert message in sentence(capsys, "train", "mine.yaml")
    with pytest.raises(InputError, match="put it in quotes"):
        load_run("mine.yaml")
    Path("mine.yaml").write_text(f'{PRESET}  data: "{word}"')
    assert load_run("mine.yaml").train.data == word


@pytest.mark.parametrize(
    ("word", "read"), [("no", "false"), ("~", "nothing"), ("1", "the number 1"), ("[a]", "a list")]
)
def test_a_parts_name_in_a_file(home: Path, capsys: pytest.CaptureFixture[str], word: str, read: str) -> None:
    Path("mine.yaml").write_text(f"model: {{image_shape: [3, 8, 8], layout: {word}}}")
    message = f"mine.yaml, under model, sets layout to what YAML reads as {read}, not as text: put it in quotes."
    assert message in sentence(capsys, "train", "mine.yaml")
    assert "layout is 'no'; it takes one of glow" in sentence(capsys, "train", "tiny.yaml", "--model.layout", "no")
    Path("mine.yaml").write_text("model: {image_shape: [3, 8, 8], conditioner: [conv, no]}")
    assert "conditioner is False; it takes one of conv" in sentence(capsys, "train", "mine.yaml", "--model.levels", "2")


def test_what_is_not_given_in_a_file(home: Path) -> None:
    Path("mine.yaml").write_text(f"{PRESET}  {{data: pictures, start: null, images: 16, batch_size: 16, grad_clip: ~}}")
    assert main(["train", "mine.yaml", "--out", "new"]) == 0
    assert read_config(Path("new"))["train"]["start"] is None


def test_a_word_in_an_experiment(home: Path) -> None:
    text = "{about: a, claim: b, source: c, presets: {tiny.yaml: 64}, figure: final, variations: {x: %s}}"
    Path("e.yaml").write_text(text % "{train: {data: 2024-01-01}}")
    with pytest.raises(InputError, match=r"under x, train, sets data to what YAML reads as the date 2024-01-01"):
        definition.load("e.yaml")
    Path("e.yaml").write_text(text % "{train: {lr: 1e-3}}")
    (training,) = definition.load("e.yaml").trainings()
    assert training.run.train.lr == 0.001


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 0.001), ("2.5E2", 250.0), (".5e+1", 5.0), ("010", 10), ("1_000", 1000), ("-3", -3)]
)
def test_numbers_are_what_people_take_them_for(home: Path, text: str, number: float) -> None:
    Path("mine.yaml").write_text(f"{PRESET}  {{weight_y: {text}}}")
    content = read("mine.yaml")
    assert content["train"]["weight_y"] == number
    assert type(content["train"]["weight_y"]) is type(number)


def test_a_date_for_a_number(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text(f"{PRESET}  {{lr: 2024-01-01}}")
    assert "lr is 2024-01-01; it takes a number" in sentence(capsys, "train", "mine.yaml")
    message = sentence(capsys, "train", "tiny.yaml", "--model.image_shape", "3x8x8")
    assert "--model.image-shape is 3x8x8; it takes three whole numbers, such as 3,32,32." in message


@pytest.mark.parametrize("word", [*READ, "é", "caf\udce9", "a: b", "- x", "'", '"', "#", " x ", "a\nb", ""])
def test_a_run_keeps_the_words_of_its_settings(config: RunConfig, tmp_path: Path, word: str) -> None:
    named = replace(config, train=replace(config.train, data=word, start=word))
    for _ in range(2):  # begun, and gone on with
        with claimed(tmp_path / "run", named):
            settings = read_config(tmp_path / "run")["train"]
        assert (settings["data"], settings["start"]) == (word, word)
        (tmp_path / "run" / "last").mkdir(exist_ok=True)
