"""Presets: named configurations. Each is a YAML file in this folder with the keys `about`, `model` and `train`."""

from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.errors import InputError
from glowflow.migration import migrated
from glowflow.presets import documents


@dataclass(frozen=True)
class About:
    """What a preset is for, and what was published about it.

    Args:
        description: One sentence.
        source: The publication or command that the settings are from; empty for glowflow's own.
        published: The published test bits/dim, "qualitative", or "not trained here"; empty for glowflow's own.
        gpus: The number of GPUs of the original, which shared the images of a batch.
        parameters: The number of parameters.
        flops: The arithmetic of a forward pass, as `presets.size` counts it. Counting it anew would take seconds.
    """

    description: str
    source: str = ""
    published: str = ""
    gpus: int = 0
    parameters: int = 0
    flops: int = 0


@dataclass(frozen=True)
class Preset:
    """A named configuration."""

    name: str
    about: About
    run: RunConfig


def names() -> list[str]:
    """The presets that come with glowflow."""
    return documents.names_in(files(__name__))


def load(name: str) -> Preset:
    """A preset by its name."""
    content = read(name)
    return Preset(name, About(**content["about"]), _run(content))


def load_run(name: str) -> RunConfig:
    """The run of a preset, by its name, or of a user's YAML file, which may lack `about`."""
    return _run(read(name))


def _run(content: dict[str, dict[str, Any]]) -> RunConfig:
    return RunConfig(GlowConfig(**content["model"]), TrainConfig(**content["train"]))


def read(name: str) -> dict[str, dict[str, Any]]:
    """The contents of a preset, by its name, or of a user's YAML file.

    Raises:
        InputError: If there is no such preset or file, or it has a key that isn't a setting.
    """
    return _checked(documents.read(files(__name__), name, "preset", "glowflow presets"), name)


def _checked(content: Any, source: str) -> dict[str, dict[str, Any]]:  # noqa: ANN401 (whatever YAML holds)
    parts = {"about": About, "model": GlowConfig, "train": TrainConfig}
    documents.check_keys(content, list(parts), source)
    for name, part in parts.items():
        content[name] = {} if content.get(name) is None else content[name]
        if name == "model" and isinstance(content[name], dict):
            content[name] = migrated(content[name])
        documents.check_keys(content[name], [field.name for field in fields(part)], f"{source}, under {name},")
        if part is not About:
            documents.check_text(content[name], part, f"{source}, under {name},")
    if "image_shape" not in content["model"]:
        raise InputError(f"{source} lacks model.image_shape: [channels, height, width].")
    checked: dict[str, dict[str, Any]] = content
    return checked
