"""The code of the README and of docs/library.md, run as a reader would."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from glowflow.config import GlowConfig, TrainConfig

ROOT = Path(__file__).parents[1]


def blocks(language: str, page: str = "README.md") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_python_code_runs(tmp_path: Path) -> None:
    code = "\n".join(blocks("python", "docs/library.md")).replace("range(1000)", "range(20)") + "\nprint(float(loss))"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 0 < float(result.stdout) < 10
    assert (tmp_path / "my-model" / "model.safetensors").exists()


def test_the_yaml_is_valid() -> None:
    (text,) = blocks("yaml")
    content = yaml.safe_load(text)
    GlowConfig(**content["model"])
    TrainConfig(**content["train"])


def test_the_first_blocks_are_one_command_each() -> None:
    first, second, *_ = blocks("")
    assert first.count("\n") == second.count("\n") == 1
    assert "glowflow train digits" in first
    assert "pytest" in second
