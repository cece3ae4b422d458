"""Named configurations, each a YAML file in this folder: what it's `about`, its `model` and its `train`ing."""

import difflib
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.errors import InputError


@dataclass(frozen=True)
class About:
    """What a preset is for, and what was published of it.

    Args:
        description: One sentence.
        source: The publication or command that the settings are from; empty for glowflow's own.
        published: The published test bits/dim, or "qualitative"; empty for glowflow's own.
        gpus: How many GPUs the original used, among which `batch_size` was divided.
    """

    description: str
    source: str = ""
    published: str = ""
    gpus: int = 0


@dataclass(frozen=True)
class Preset:
    """A named configuration."""

    name: str
    about: About
    run: RunConfig


def names() -> list[str]:
    """The presets that come with glowflow."""
    return sorted(path.name.removesuffix(".yaml") for path in files(__name__).iterdir() if path.name.endswith(".yaml"))


def load(name: str) -> Preset:
    """A preset by its name."""
    content = read(name)
    run = RunConfig(GlowConfig(**content["model"]), TrainConfig(**content["train"]))
    return Preset(name, About(**content["about"]), run)


def read(name: str) -> dict[str, dict[str, Any]]:
    """The contents of a preset, by its name, or of a YAML file of one's own.

    Raises:
        InputError: If there is no such preset or file, or it has a key that isn't a setting.
    """
    if name in names():
        return _parse((files(__name__) / f"{name}.yaml").read_text(), name)
    if not name.endswith((".yaml", ".yml")):
        raise InputError(f"There is no preset {name!r}: {_suggestion(name, names(), 'glowflow presets lists them')}.")
    try:
        return _parse(Path(name).read_text(), name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} can't be read: {getattr(error, 'strerror', None) or error}.") from None


def _parse(text: str, source: str) -> dict[str, dict[str, Any]]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source} isn't YAML: {' '.join(str(error).split())}.") from None
    parts = {"about": About, "model": GlowConfig, "train": TrainConfig}
    _check_keys(content, list(parts), source)
    for name, part in parts.items():
        content[name] = content.get(name) or {}
        _check_keys(content[name], [field.name for field in fields(part)], f"{source}, under {name},")
    if "image_shape" not in content["model"]:
        raise InputError(f"{source} lacks model.image_shape: [channels, height, width].")
    checked: dict[str, dict[str, Any]] = content
    return checked


def _check_keys(content: object, allowed: list[str], source: str) -> None:
    if not isinstance(content, dict):
        raise InputError(f"{source} should hold keys and values: {', '.join(allowed)}.")
    for key in content:
        if key not in allowed:
            raise InputError(f"{source} has an unknown key {key!r}: {_suggestion(str(key), allowed)}.")


def _suggestion(name: str, possible: list[str], otherwise: str = "") -> str:
    near = difflib.get_close_matches(name, possible, n=1, cutoff=0.5)
    return f"perhaps {near[0]!r} is meant" if near else otherwise or f"it takes {', '.join(possible)}"
