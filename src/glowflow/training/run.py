"""A run's directory. It belongs to one configuration, which stands in its `config.yaml`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.data import absolute
from glowflow.destinations import destination
from glowflow.durable import save_text
from glowflow.errors import InputError, RunBusyError
from glowflow.locks import is_locked, lock
from glowflow.migration import migrated

CONFIG, LOCK = "config.yaml", ".lock"
MAY_CHANGE = {("train", "images"), ("train", "cooldown_images"), ("train", "data")}
"""Settings that may change when a run goes on: its length, its end, and the place of its images.

`same_images` checks that the images are the same.
"""
BEST, LAST, PREVIOUS, DAMAGED = "best", "last", "previous", "damaged"
"""The best model, and checkpoints: the newest one, the one before it, and one that was found damaged."""


def check(out: Path, config: RunConfig) -> None:
    """Check that `out` is new, or holds a run with this configuration; change nothing.

    Raises:
        InputError: If `out` holds a run with other settings (except for `MAY_CHANGE`), or something else.
    """
    if (out / CONFIG).exists() and not has_begun(out):
        return  # a run that ended before its first checkpoint
    if (out / CONFIG).exists():
        difference = _difference(read_config(out), config)
        if difference:
            raise InputError(f"{out} holds a run with other settings ({difference}): give another --out.")
    elif out.exists() and any(not path.name.startswith(".") for path in out.iterdir()):  # a crash leaves hidden files
        raise InputError(f"{out} is not empty and holds no run: give another --out.")


def has_begun(out: Path) -> bool:
    """True if there is a training in `out` that can go on."""
    return (out / CONFIG).exists() and any((out / name).exists() for name in (LAST, PREVIOUS))


@contextmanager
def claimed(out: Path, config: RunConfig) -> Iterator[None]:
    """Make `out` the directory of a run with this configuration, and lock it for as long as the context lasts.

    Raises:
        InputError: If `check` refuses it.
        RunBusyError: If another process is training there.
    """
    check(out, config)
    destination(out).mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("ab") as file:
        try:
            lock(file, blocking=False)
        except BlockingIOError:
            raise RunBusyError(f"Another process is training in {out}: wait for it, or give another --out.") from None
        check(out, config)  # again, because another process may have written here before it ended
        path, content = out / CONFIG, yaml.safe_dump(as_plain(config), sort_keys=False)
        if not path.exists() or path.read_text(encoding="utf-8") != content:  # otherwise a full disk does no harm
            save_text(path, content)
        yield


def is_training(out: Path) -> bool:
    """True if a process trains in `out`, this one included."""
    return (out / LOCK).exists() and is_locked(out / LOCK)


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """The configuration with absolute paths of the user's data and model, so that the run can go on from anywhere."""
    settings = replace(config.train, data=absolute(config.train.data))
    if settings.start is not None and Path(settings.start).exists():
        settings = replace(settings, start=str(Path(settings.start).resolve()))
    return replace(config, train=settings)


def read_config(out: Path) -> dict[str, dict[str, Any]]:
    """The settings of the run in `out`; InputError if they're damaged."""
    try:
        content = yaml.safe_load((out / CONFIG).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError):
        content = None
    parts = content if isinstance(content, dict) else {}
    if not all(isinstance(parts.get(part), dict) for part in ("model", "train")) or "data" not in parts["train"]:
        raise InputError(f"{out / CONFIG} is damaged: it should hold the settings of a run.")
    return parts | {"model": migrated(parts["model"])}


def as_plain(config: RunConfig) -> dict[str, dict[str, Any]]:
    """The settings as `config.yaml` has them."""
    plain: dict[str, dict[str, Any]] = json.loads(json.dumps(asdict(config)))
    return plain


def _difference(old: dict[str, dict[str, Any]], config: RunConfig) -> str:
    """What of a run's settings is different now. An older run lacks newer settings, which have their defaults."""
    train = as_plain(RunConfig(GlowConfig((1, 2, 2)), TrainConfig()))["train"] | old["train"]
    known = {name: value for name, value in old["model"].items() if name in vars(config.model)}
    changed = GlowConfig(**known).difference(config.model, "now")
    changed += [
        f"{part}.{name}: {value} there, which this version of glowflow doesn't know"
        for part, settings in as_plain(config).items()
        for name, value in old[part].items()
        if name not in settings
    ]
    changed += [
        f"train.{name}: {train[name]} there, {value} now"
        for name, value in as_plain(config)["train"].items()
        if train[name] != value
        and ("train", name) not in MAY_CHANGE
        and not (name == "start" and _are_one_place(train[name], value))
    ]
    return "; ".join(changed)


def _are_one_place(old: str | None, new: str | None) -> bool:
    """True if two paths mean the same place. One may be relative, and the place needn't exist."""
    return bool(old and new) and Path(str(old)).resolve() == Path(str(new)).resolve()
