"""The README's YAML and first commands."""

import re
from pathlib import Path

import yaml

from glowflow.config import GlowConfig, TrainConfig

ROOT = Path(__file__).parents[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


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
