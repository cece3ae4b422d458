"""What docs/parts.md says about parts of your own, done as its reader would."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from glowflow.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "parts.md").read_text(encoding="utf-8")
GLOWFLOW = [sys.executable, "-m", "glowflow"]
SHORTER = ["--train.images=100", "--train.validate_every=100", "--threads=1"]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the page, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, content in re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL):
        Path(name).write_text(content, encoding="utf-8")


def run(code: str) -> None:
    """Run a program of its own, so that no part is registered in this one."""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not found.returncode, found.stderr


def test_the_python_of_the_page() -> None:
    run("\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)))


def test_the_commands_of_the_page() -> None:
    commands = [shlex.split(line)[1:] for line in PAGE.splitlines() if line.startswith("glowflow ")]
    assert [words[0] for words in commands] == ["train", "evaluate", "sample", "demo", "train", "train"]
    demo = commands.pop(3)
    shortened = [[*words, *(SHORTER if words[0] == "train" else [])] for words in commands]
    run(f"from glowflow.cli import main\nfor words in {shortened!r}:\n    assert main(words) == 0, words")
    assert Path("samples.png").is_file()
    card = Path("runs/bent/best/README.md").read_text(encoding="utf-8")
    assert re.search(r"doesn't have these parts of the model: .*\n.* `--plugins FILE`", card)
    with subprocess.Popen([*GLOWFLOW, *demo, "--port=0"], stderr=subprocess.PIPE, text=True) as page:
        assert page.stderr is not None
        assert "runs/bent is at http" in page.stderr.readline()
        page.terminate()


def test_a_stored_model_with_own_parts(capfd: pytest.CaptureFixture[str]) -> None:
    with Path("my_parts.py").open("a", encoding="utf-8") as file:
        file.write("import beside\nassert beside.HERE\n")
    Path("beside.py").write_text("HERE = True\n", encoding="utf-8")
    plugins = ["--plugins", "my_parts.py"]
    subprocess.run([*GLOWFLOW, "train", "mine.yaml", *plugins, "--out=run", *SHORTER], check=True)
    told = capfd.readouterr().err
    assert "evaluate run --plugins my_parts.py; glowflow sample run --plugins my_parts.py --out samples.png" in told
    for command in (["evaluate", "run"], ["export", "openai", "run", "here"]):
        assert subprocess.run([*GLOWFLOW, *command], check=False).returncode == 2
        assert "The model in run has the coupling 'bent', which isn't registered" in capfd.readouterr().err
    assert subprocess.run([*GLOWFLOW, "export", "openai", "run", "here", *plugins], check=False).returncode == 2
    assert (
        "The original can't express this model: its coupling is {kind: bent, strength: 0.25}, and"
        in capfd.readouterr().err
    )


def test_a_model_of_a_training_with_an_own_augmentation(capfd: pytest.CaptureFixture[str]) -> None:
    """Only the training needs the augmentation's file."""
    settings = [
        "--train.augment=[flip, brightness]",
        "--model.steps=1",
        "--model.width=8",
        "--train.batch-size=50",
        *SHORTER,
    ]
    plugins = ["--plugins", "my_augmentation.py"]
    subprocess.run([*GLOWFLOW, "train", "digits", *plugins, *settings, "--out=run"], check=True)
    subprocess.run([*GLOWFLOW, "sample", "run", "--num=2", "--out=two.png"], check=True)
    again = [*GLOWFLOW, "train", "run/config.yaml", "--out=run", "--train.images=200", "--threads=1"]
    capfd.readouterr()
    assert subprocess.run(again, check=False).returncode == 2
    assert "augmentation is 'brightness'; it takes one of none, flip" in (error := capfd.readouterr().err)
    assert "Give its file by --plugins FILE." in error
    subprocess.run([*again, *plugins], check=True)
    assert "Going on with run at 100 of 200 images" in capfd.readouterr().err


def test_a_model_whose_parts_are_unknown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("model: {image_shape: [1, 28, 28], coupling: theirs}", encoding="utf-8")
    assert main(["train", "mine.yaml"]) == 2
    error = capsys.readouterr().err
    assert "coupling is 'theirs'" in error
    assert "--plugins FILE" in error
    assert main(["train", "digits", "--model.coupling=afine"]) == 2
    error = capsys.readouterr().err
    assert "coupling is 'afine': perhaps affine is meant" in error
    assert "--plugins" not in error


def test_a_memory_mode_that_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    for memory, told in [
        ("theirs", "memory is 'theirs'; it takes one of store, checkpoint, reversible"),
        ("{kind: reversible, interval: 4}", "has no option 'interval'"),
        ("{kind: reversible, anchor_interval: 0}", "anchor_interval is 0"),
    ]:
        assert main(["train", "digits", "--memory", memory]) == 2
        assert told in capsys.readouterr().err


def test_files_of_one_name_are_told_apart_and_one_file_may_be_loaded_twice() -> None:
    page = Path("my_parts.py").read_text(encoding="utf-8")
    for folder, content in [("other", page), ("third", page.replace('"bent"', '"curved"').split("@CONDITIONERS")[0])]:
        Path(folder).mkdir()
        Path(folder, "my_parts.py").write_text(content, encoding="utf-8")
    Path("third/colorsys.py").write_text(KERNELS, encoding="utf-8")
    run(
        """
from pathlib import Path
import pytest
from glowflow import InputError, plugins
from glowflow.parts import CONDITIONERS, COUPLINGS
for path in ("my_parts.py", "./my_parts.py", "third/colorsys.py", "third/my_parts.py", "third/my_parts.py"):
    plugins.load(Path(path))
assert {"bent", "curved"} < set(COUPLINGS.names)
assert CONDITIONERS.options({"kind": "kernels", "sizes": [3]}).sizes == (3,)
with pytest.raises(InputError, match="my_parts has a coupling 'bent' already: choose another name"):
    plugins.load(Path("other/my_parts.py"))
import colorsys
assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
"""
    )


KERNELS = """
from __future__ import annotations
from dataclasses import dataclass
import my_parts
from glowflow.parts import CONDITIONERS

@CONDITIONERS.option("kernels")
@dataclass(frozen=True)
class Kernels:
    sizes: tuple[int, ...] = (3, 3)
"""


MISTAKES = """
from dataclasses import dataclass
from glowflow.bijections import Coupling
from glowflow.parts import COUPLINGS

def options(name):
    @COUPLINGS.option(name)
    @dataclass(frozen=True)
    class Options:
        "A mistake."

for name in ("falling", "unbuilt", "wordless"):
    options(name)

@COUPLINGS.builds("falling")
class Falling(Coupling):
    params_per_channel = 1
    def transform(self, x_b, h):
        return h - x_b, 0 * x_b

@COUPLINGS.builds("wordless")
class Wordless(Coupling):
    def transform(self, x_b, h):
        return h + x_b, 0 * x_b
"""


@pytest.mark.parametrize(
    ("coupling", "told"),
    [
        ("falling", "The map can't be inverted: it doesn't increase"),
        ("unbuilt", "Nothing builds the coupling 'unbuilt'"),
        ("wordless", "Wordless doesn't define params_per_channel"),
    ],
)
def test_a_mistake_in_a_part_is_one_sentence(coupling: str, told: str) -> None:
    Path("mistakes.py").write_text(MISTAKES, encoding="utf-8")
    settings = ["--model.steps=1", "--model.width=8", f"--model.coupling={coupling}", "--train.validation_images=50"]
    words = [*GLOWFLOW, "train", "digits", "--plugins", "mistakes.py", *settings, *SHORTER]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr.count("Traceback")) == (2, 0), found.stderr
    assert told in found.stderr


WRONG = r"""
from dataclasses import dataclass, make_dataclass
import pytest
import torch
from torch import nn
from glowflow import Execution, Glow, GlowConfig, InputError
from glowflow.bijections import Bijection, Chain, Coupling, Squeeze
from glowflow.conditioners import Conditioner
from glowflow.dequantizers import Dequantizer
from glowflow.parts import CONDITIONERS, COUPLINGS, DEQUANTIZERS, LAYOUTS, MEMORIES, PERMUTATIONS

class Adding(Coupling):
    params_per_channel = 1

class Halved(Adding):
    def transform(self, x_b, h):
        return x_b + h

class Unpaired(Bijection):
    def forward(self, x):
        return x
    def inverse(self, y):
        return y

class Bare(Unpaired):
    def forward(self, x):
        return x, 0.0

class Certain(Dequantizer):
    def forward(self, images, noise):
        return images / 256 - 0.5

class Detailed(Dequantizer):
    def forward(self, images, noise):
        return images / 256 - 0.5, 0 * noise

class Unbuilt(Conditioner):
    pass

def say(kind, build, told):
    name = f"wrong{len(kind.names)}"
    kind.option(name)(make_dataclass("Wrong", [], frozen=True))
    with pytest.raises(InputError, match=told):
        kind.builds(name)(build)
        if kind is MEMORIES:
            Glow(GlowConfig((1, 8, 8), steps=1, width=4)).execute(Execution(name))(torch.zeros(1, 1, 8, 8))
        Glow(GlowConfig((1, 8, 8), levels=2, steps=1, width=4, **{kind.name: name}))

say(COUPLINGS, Adding, r"The coupling wrong\d can't be built: Can't instantiate abstract class Adding .*transform")
say(COUPLINGS, Halved, r"Halved gives \(2, 2, 4, 4\); it should give \(2, 2, 4, 4\) and \(2, 2, 4, 4\)")
say(COUPLINGS, lambda *_: None, r"The coupling wrong\d is built as a NoneType; it should be a Coupling")
say(COUPLINGS, lambda options, network: None, r"The coupling wrong\d can't be built: .* takes 2 positional arguments")
say(CONDITIONERS, Unbuilt, r"Unbuilt can't build the conditioner 'wrong\d': it has no method build")
say(CONDITIONERS, lambda _, inputs, *more: nn.Conv2d(inputs, 3, 1), r"\(2, 3, 4, 4\); .* \(2, 4, 4, 4\)")
say(CONDITIONERS, lambda *_: "conv", "is built as a str; it should be a Module")
say(PERMUTATIONS, lambda *_: Unpaired(), r"Unpaired gives \(2, 4, 4, 4\); it should give \(2, 4, 4, 4\) and \(2,\)")
say(PERMUTATIONS, lambda *_: Bare(), r"Bare gives \(2, 4, 4, 4\) and float")
say(PERMUTATIONS, lambda *_: nn.Identity(), "is built as a Identity; it should be a Bijection")
say(DEQUANTIZERS, lambda *_: Certain(), r"Certain gives \(2, 1, 8, 8\); it should give \(2, 1, 8, 8\) and \(2,\)")
say(DEQUANTIZERS, lambda *_: Detailed(), r"Detailed gives \(2, 1, 8, 8\) and \(2, 1, 8, 8\)")
say(LAYOUTS, lambda *_: [Chain(Squeeze())], r"wrong\d gives Chain; it should give a Chain for each of 2 levels")
say(LAYOUTS, lambda *_: [Squeeze(), Squeeze()], "gives Squeeze, Squeeze; it should give a Chain for each of 2 levels")
say(LAYOUTS, lambda *_: [Chain(Squeeze(), Squeeze()), Chain(Squeeze())], r"wrong\d gives \(2, 8, 2, 2\) and .*should")
say(LAYOUTS, lambda *_: Chain(Squeeze()), "is built as a Chain; it should be a list")
say(MEMORIES, lambda *_: "store", r"The memory wrong\d is built as a str; it should be a MemoryMode")
"""


def test_a_part_that_is_not_what_its_kind_says_is_refused_when_a_model_is_built() -> None:
    run(WRONG)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "it takes a Python file"),
        ("x = 1\ny = 1 / 0\n", "line 2, can't be used: ZeroDivisionError"),
        ("x = 1\nif x\n", "line 2, can't be used: SyntaxError"),
        (
            "from dataclasses import make_dataclass\nfrom glowflow.parts import COUPLINGS\n"
            "COUPLINGS.option('hungry')(make_dataclass('Hungry', [('size', int)]))\n",
            "line 3, can't be used: The coupling hungry has the option 'size' and no default for it.",
        ),
    ],
)
def test_a_file_that_cannot_be_used(content: str | None, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    if content:
        Path("broken.py").write_text(content, encoding="utf-8")
    assert main(["train", "mine.yaml", "--plugins", "broken.py"]) == 2
    assert told in capsys.readouterr().err
