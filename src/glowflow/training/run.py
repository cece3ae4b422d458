"""A run's directory: it belongs to one configuration, which stands in its `config.yaml`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from glowflow import weights
from glowflow.config import RunConfig
from glowflow.errors import InputError

CONFIG = "config.yaml"


def claim(out: Path, config: RunConfig) -> None:
    """Make `out` the directory of a run with this configuration, or check that it is.

    Raises:
        InputError: If it holds a run with other settings, of which only the training's length may be changed, or
            anything else.
    """
    wanted = _plain(config)
    if (out / CONFIG).exists():
        difference = _difference(read_config(out), wanted)
        if difference:
            raise InputError(f"{out} holds a run with other settings ({difference}): give another --out.")
    elif out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and holds no run: give another --out.")
    out.mkdir(parents=True, exist_ok=True)
    weights.save_text(out / CONFIG, yaml.safe_dump(wanted, sort_keys=False))


def read_config(out: Path) -> dict[str, dict[str, Any]]:
    """The settings of the run in `out`; InputError if they're damaged."""
    try:
        content = yaml.safe_load((out / CONFIG).read_text())
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict) or not all(isinstance(content.get(part), dict) for part in ("model", "train")):
        raise InputError(f"{out / CONFIG} is damaged: it should hold the settings of a run.")
    return content


def _plain(config: RunConfig) -> dict[str, dict[str, Any]]:
    content = asdict(config)
    content["model"]["image_shape"] = list(config.model.image_shape)
    return content


def _difference(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> str:
    changed = [
        f"{part}.{name}: {old[part].get(name)} there, {value} now"
        for part, settings in new.items()
        for name, value in settings.items()
        if old[part].get(name) != value and (part, name) != ("train", "images")
    ]
    return "; ".join(changed)
