"""The files of a model, `model.safetensors` and `config.json`: finding, reading and writing them."""

import errno
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn

from glowflow.destinations import destination
from glowflow.durable import beside, replacing, save_json
from glowflow.errors import InputError, listed, meant
from glowflow.packages import imported
from glowflow.paths import expanded

FORMAT_VERSION = 2
"""The format that is written. Format 1, which has other names of settings, can be read, too (`migration.migrated`)."""

CONFIG = "config.json"
MODEL = "model.safetensors"
RAW = "raw.safetensors"
"""The raw weights of a model whose `model.safetensors` has averaged weights."""

REFERENCE = "reference.safetensors"
"""The scores of usual images (`scoring.Reference`). Not every model has this file."""

USUAL = "usual.json"
"""The usual bits/dim, which older versions stored instead of a reference."""

VALUE_RANGES = "value_ranges.json"
"""Which values became black and white, if the model was trained on image files of more than 8 bits."""

IMAGES = "images.json"
"""A digest of the training's images, which tells if other images are the same."""

PROVENANCE = "provenance.json"
"""The training's data, version and validation result. Not every model has this file."""

FILES = (CONFIG, MODEL, REFERENCE, USUAL, VALUE_RANGES, IMAGES, "directions.*")
"""The files of a model on the hub."""

BUNDLED = Path(__file__).parent / "models"

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def find(model: str | Path) -> Path:
    """The directory of weights that `model` means.

    `model` is a directory of weights, a run (its best checkpoint is meant), a model that comes with glowflow, or a name
    on the hub (the model is downloaded).

    Raises:
        InputError: If there is no such model.
    """
    run = Path(expanded(model)) if isinstance(model, str) else model
    for directory in _places(run):
        if exists(directory):
            return directory
    if (name := str(model).rstrip("/")) in bundled():
        return BUNDLED / name
    if not run.exists() and _may_be_on_hub(str(model)):
        return _download(str(model))
    raise _missing(str(model), run)


def _may_be_on_hub(model: str) -> bool:
    """True if this looks like a name on the hub, OWNER/NAME, and OWNER is neither an existing folder nor "runs"."""
    owner = Path(model).parent
    return HUB_NAME.fullmatch(model) is not None and owner != Path("runs") and not owner.exists()


def _missing(model: str, run: Path) -> InputError:
    """The error for a model that isn't found. It suggests a model with a similar name."""
    names = {path.name: str(path) for path in _runs_in(run.parent)} | {name: name for name in bundled()}
    ours = listed(bundled()) or "none does yet"
    otherwise = f"it should be a run directory, one with {CONFIG} and {MODEL}, or one that comes with glowflow ({ours})"
    return InputError(f"No model in {model}: {otherwise if run.exists() else meant(run.name, names, otherwise)}.")


def _runs_in(folder: Path) -> list[Path]:
    """The directories in a folder that hold models."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if any(map(exists, _places(path)))]


def _places(run: Path) -> tuple[Path, ...]:
    """The directories in which a run may have a model, the best model first."""
    return run, run / "best", beside(run / "best", "old"), run / "last", run / "previous"


def bundled() -> list[str]:
    """Names of the models that come with glowflow."""
    return sorted(path.name for path in BUNDLED.glob("*") if exists(path))


def exists(directory: Path) -> bool:
    """True if there is a model in `directory`."""
    return (directory / CONFIG).is_file()


def save(
    directory: Path,
    tensors: Mapping[str, Tensor],
    model: Mapping[str, Any],
    weights: str,
    class_names: Sequence[str],
) -> None:
    """Write a model into `directory`, each file whole or not at all; other files there stay.

    Args:
        directory: It's created if there is none.
        tensors: The state dict.
        model: The fields of its `GlowConfig`.
        weights: "raw" or "averaged".
        class_names: The names of a class-conditional model's classes.
    """
    destination(directory).mkdir(parents=True, exist_ok=True)
    save_tensors(directory / MODEL, tensors)
    config = {"format_version": FORMAT_VERSION, "weights": weights, "class_names": class_names, "model": dict(model)}
    save_json(directory / CONFIG, config)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; InputError if it's absent or damaged."""
    try:
        return load_file(path) if _is_utf8(path) else load(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} is damaged and can't be loaded ({error}).") from None


def load_facts(path: Path) -> dict[str, str]:
    """The texts that stand beside the tensors in a safetensors file; InputError if its header is damaged."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            facts = json.loads(file.read(min(size, path.stat().st_size))).get("__metadata__", {})
        return {name: str(text) for name, text in facts.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        raise InputError(f"{path} is damaged: it doesn't begin as a safetensors file.") from None


def _is_utf8(path: Path) -> bool:
    """True if the path is UTF-8. Otherwise safetensors can't open the file."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return False
    return True


def assign(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Copy `tensors` into the module's parameters and buffers.

    Raises:
        InputError: If a name or a shape differs. The message names the first one, and the module stays as it was.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in (*wanted, *found):
        if wanted.get(name) != found.get(name):
            raise InputError(
                f"{source} is from a different architecture: {name} is {found.get(name, 'absent')} there and "
                f"{wanted.get(name, 'absent')} in the model that its configuration describes."
            )
    module.load_state_dict(dict(tensors))


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all."""
    with replacing(path) as partial:
        try:
            save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, partial, about)
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            reason = (int(number[1]), os.strerror(int(number[1]))) if number else (errno.EIO, str(error))
            raise OSError(*reason, str(path)) from None


def _download(repository: str) -> Path:
    imported("huggingface_hub", f"There is no directory {repository}, and loading it from the hub", "hub")
    from huggingface_hub import snapshot_download  # noqa: PLC0415 (an optional extra)
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(repository, allow_patterns=[*FILES, RAW]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"There is no directory {repository}, and the hub can't give it: {reason}") from None
