"""The models, data sets and numbers that commands make of their arguments, and checks of these."""

import os
import sys
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unicodedata import normalize

from glowflow.checks import typed
from glowflow.destinations import descriptor, destination, obstacle
from glowflow.errors import InputError, listed
from glowflow.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import torch
    from torch import Tensor

    from glowflow.data import Dataset, Range
    from glowflow.model import Glow
    from glowflow.stored import StoredModel

SplitName = Literal["train", "validation", "test"]
Precision = Literal["auto", "float32", "bfloat16"]

MOST_IN_A_ROW = 1000
"""Images; wider pictures can't be viewed."""
MOST_DRAWS = 10_000
"""Draws of noise. The error that they leave is then far below the one that the choice of images leaves."""


def device_named(name: str | None) -> str:
    """The device that the user named, or the best one present."""
    import torch

    from glowflow.processes import local_device

    present = [*(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if torch.mps.is_available() else []), "cpu"]
    kind, _, number = (name or present[0]).partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in present or (number and not (number.isdecimal() and int(number) < count)):
        raise InputError(f"There is no device {name!r} here: --device takes {', '.join(present)}.")
    return local_device(name or present[0])


def precision_named(precision: Precision, device: str) -> "torch.dtype | None":
    """The type in which networks compute; None for that of the parameters."""
    import torch

    from glowflow.execution import fast_precision

    if precision == "auto":
        return fast_precision(device)
    return torch.bfloat16 if precision == "bfloat16" else None


def opened(
    model: "str | StoredModel",
    device: str | None,
    *,
    raw: bool = False,
    precision: Precision = "float32",
    compiled: bool = False,
) -> "tuple[StoredModel, Glow]":
    """The model as it's stored, and in its inference form."""
    from glowflow.allocator import keep_freed_memory
    from glowflow.evaluate import batch_size
    from glowflow.execution import Execution
    from glowflow.model import Glow
    from glowflow.stored import StoredModel
    from glowflow.threads import settle

    keep_freed_memory()
    chosen = device_named(device)
    stored = StoredModel.open(model)
    glow = Glow.from_pretrained(stored, chosen, raw=raw)
    execution = Execution(precision=precision_named(precision, chosen))
    frozen = glow.execute(execution).freeze()
    settle(partial(_decode_nothing, frozen), batch_size(glow.config), chosen)
    return stored, glow.execute(replace(execution, compiled=True)).freeze() if compiled else frozen


def _decode_nothing(glow: "Glow", count: int) -> None:
    """Decode `count` latents that are all 0, for a trial."""
    import torch

    z = torch.zeros(count, glow.config.num_dims)
    glow.decode(z, torch.zeros(count, dtype=torch.int64, device=glow.device) if glow.class_names else None, exact=False)


def dataset_for(
    stored: "StoredModel",
    data: str | None,
    glow: "Glow",
    split: SplitName,
    value_range: "Range | None" = None,
    *,
    may_be_empty: bool = False,
) -> "Dataset":
    """The data set that the user named, or the model's own, with its values scaled as in the training."""
    from glowflow.data import check_needed, for_all_kinds, load

    data = _trained_on(stored) if data is None else data
    ranges = for_all_kinds(value_range) or stored.value_ranges
    dataset = load(data, glow.config.image_shape, split, value_ranges=ranges)
    check_needed(value_range, dataset.value_ranges, f"the images of {data}")
    if not may_be_empty and not len(dataset):
        raise InputError(f"{dataset.name} has no images in its {split} split.")
    return dataset.with_classes(glow.class_names) if len(dataset) else dataset


def data_of(stored: "StoredModel") -> str | None:
    """The data on which a run trained a model; None if the model doesn't record it."""
    from glowflow.training.run import read_config

    run = run_of(stored)
    return None if run is None else str(read_config(run)["train"]["data"])


def run_of(stored: "StoredModel") -> Path | None:
    """The directory with the settings of a model's training: its own, or its run's; None if there is none."""
    from glowflow.training.run import BEST, CONFIG, LAST, PREVIOUS

    above = [stored.directory.parent] if stored.directory.name in {BEST, LAST, PREVIOUS} else []
    places = (stored.home, stored.directory, *above)
    return next((place for place in places if (place / CONFIG).is_file()), None)


def _trained_on(stored: "StoredModel") -> str:
    """The data on which a run trained a model, which has to be there."""
    from glowflow.data import is_there

    data = data_of(stored)
    if data is None:
        raise InputError(f"{stored.name} doesn't record what it was trained on: give --data.")
    if not is_there(data):
        raise InputError(
            f"{stored.name} was trained on {data}, which is no longer there: give its new place by --data."
        )
    return data


def own_directory(stored: "StoredModel", what: str) -> Path:
    """The directory for what is written beside a model: the model's own, if it's the user's.

    Args:
        stored: The model.
        what: What is written, as the subject of the message.
    """
    found = stored.home
    if not stored.is_yours:
        raise InputError(
            f"{what} can only be written beside a model, and {stored.name} is in {found.parent}, which isn't yours to "
            f"change: copy {found} into a folder of your own, and give that."
        )
    if not os.access(found, os.W_OK | os.X_OK):
        raise InputError(f"{what} can't be written into {found}: you lack the permission to write there.")
    return found


def print_rows(rows: dict[str, str]) -> None:
    """Write names and values as two columns."""
    width = max(map(len, rows))
    for name, value in rows.items():
        sys.stdout.write(f"{name:{width}}  {value}\n")


def label_index(glow: "Glow", label: str | None) -> int | None:
    """The class that a user names, by its name or its number; None where none is named."""
    if label is None:
        return None
    names = glow.class_names
    plain = [normalize("NFC", name) for name in names]  # macOS and Linux write accents in different forms
    if normalize("NFC", label) in plain:
        return names.index(label) if label in names else plain.index(normalize("NFC", label))
    if label.isdecimal() and int(label) < len(names) and not any(name.isdecimal() for name in names):
        return int(label)
    possible = f"the model's classes are {listed(names)}" if names else "the model isn't class-conditional"
    raise InputError(f"--label is {label}; {possible}.")


def needed_label(glow: "Glow", label: str | None) -> int | None:
    """Do as `label_index`, but refuse None for a class-conditional model."""
    index = label_index(glow, label)
    if glow.class_names and index is None:
        raise InputError("This model is class-conditional: give --label.")
    return index


def image_files(
    stored: "StoredModel", glow: "Glow", paths: list[Path], label: str | None, value_range: "Range | None" = None
) -> "Dataset":
    """Image files as a data set, cropped and resized to the model's size, all of one class.

    Small images are enlarged, as on the page. Values of more than 8 bits are scaled as in the model's training.
    """
    import numpy as np

    from glowflow.data import Dataset, read_images

    chosen, known = needed_label(glow, label), stored.value_ranges
    shape = glow.config.image_shape
    pixels = read_images(paths, shape, enlarge=True, value_ranges=known, chosen=value_range)
    return Dataset("images", "test", pixels, None if chosen is None else np.full(len(paths), chosen))


def encoded(glow: "Glow", dataset: "Dataset") -> "Tensor":
    """The flat latents (N, D), float64 on the CPU, of a data set's images."""
    import torch

    from glowflow.evaluate import batch_size

    size, parts = batch_size(glow.config), []
    with progress("Latents", len(dataset)) as advance:
        for start in range(0, len(dataset), size):
            images, labels = dataset.batch(range(start, min(start + size, len(dataset))))
            parts.append(glow.encode(images, None if labels is None else labels.to(glow.device)).cpu())
            advance(len(images))
    return torch.cat(parts)


def decoded(glow: "Glow", rows: "Iterable[Tensor]", total: int, label: int | None) -> "Tensor":
    """Decode rows of latents (K, D), N = `total` in all, to images (N, C, H, W), uint8, of one class."""
    import torch

    from glowflow.evaluate import batch_size

    images = []
    with progress("Decoding", total) as advance:
        for z in rows:
            for part in z.split(batch_size(glow.config)):
                y = None if label is None else torch.full((len(part),), label, device=glow.device)
                images.append(glow.decode(part, y).cpu())
                advance(len(part))
    return torch.cat(images)


def names_in(said: "Sequence[str] | None", known: "Sequence[str]") -> list[str]:
    """Names that a user gave, each alone or several separated by commas.

    A known name that contains commas isn't divided. If several names fit, the longest is taken.

    >>> names_in(["red,Paris, France, blue"], ["Paris, France", "Paris", "red"])
    ['red', 'Paris, France', 'blue']
    """
    return [name for text in said or () for name in _divided(text.split(","), known)]


def _divided(parts: list[str], known: "Sequence[str]") -> list[str]:
    """Join the parts of a text that form a known name together."""
    names = []
    while parts:
        possible = [(end, ",".join(parts[:end])) for end in range(len(parts), 0, -1)]
        spaced = [(end, name) for end, text in possible for name in (text, text.strip()) if name in known]
        end, name = next(iter(spaced), (1, parts[0].strip()))
        names.append(name)
        parts = parts[end:]
    return names


def check_parent(path: Path) -> None:
    """Refuse a file that can't be written."""
    if reason := obstacle(path):
        raise InputError(f"{path} can't be written: {reason}.")


def check_different(outputs: "Mapping[str, Path | None]") -> None:
    """Refuse two outputs in one file; by the options that name them."""
    places: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None or descriptor(path) is not None:
            continue
        other = places.setdefault(destination(path).resolve(), option)
        if other != option:
            raise InputError(f"{path} can't be written for both {other} and {option}: give one of them another name.")


def check_new(out: Path) -> None:
    """Refuse a directory that exists, or that can't be made."""
    if out.exists():
        raise InputError(f"{out} exists already: give a new directory.")
    check_parent(destination(out).resolve())


def check_outside(data: str | None, outputs: "Mapping[str, Path | None]") -> None:
    """Refuse pictures that would lie among the images of a folder, since the next command would read them, too."""
    folder = Path(data).absolute() if data else None
    for option, path in outputs.items():
        if folder and path and folder.is_dir() and path.absolute().is_relative_to(folder):
            raise InputError(f"{path} lies in {data}, whose images are read: give {option} a place outside.")


def check_folder(option: str, path: Path) -> None:
    """Refuse a folder for output that holds something, or that can't be made. Hidden files don't count."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError(f"{path} can't be made: {there} is no folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{path} can't be made: the folder {there} can't be written to.")
    if there == path and any(not each.name.startswith(".") for each in path.iterdir()):
        raise InputError(f"{path} is not empty: give {option} a new folder.")


def check_replaceable(option: str, path: Path) -> None:
    """Refuse a folder that a new one can't replace: hidden files count, and it must be possible to rename it."""
    check_folder(option, path)
    place = destination(path).absolute()
    if place.exists() and any(place.iterdir()):
        raise InputError(f"{path} is not empty: it has hidden files; give {option} a new folder.")
    if Path.cwd().resolve().is_relative_to(place.resolve()):
        raise InputError(f"{path} can't be replaced, because you are in it: give {option} a new folder in it.")
    if place.exists() and (os.path.ismount(place) or not os.access(place.parent, os.W_OK | os.X_OK)):
        raise InputError(f"{path} can't be replaced by a new folder: give {option} a new folder in it.")


def check_picture(path: Path, *, may_move: bool = False) -> None:
    """Refuse a picture, or an animation if it `may_move`, that can't be written because of its place or its ending."""
    from PIL import Image

    from glowflow.pictures import is_animation

    check_parent(path)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in {"PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"} and not (may_move and is_animation(path)):
        raise InputError(f"{path} can't be written: a picture's name ends in .png, .webp or the like.")


def check_draws(draws: int, seed: int, importance: int = 1) -> None:
    """Refuse a number of noise draws, or a seed, that is out of range."""
    for name, number in (("draws", draws), ("importance", importance)):
        if not 1 <= number <= MOST_DRAWS:
            raise InputError(f"--{name} is {number}; it takes a whole number from 1 to {MOST_DRAWS:,}.")
    check_seed(seed)


def check_num(num: int, fewest: int, what: str) -> None:
    """Refuse a number of images in a row that is out of range; `what` explains the fewest."""
    if not fewest <= num <= MOST_IN_A_ROW:
        raise InputError(f"--num is {num}; it takes a whole number from {fewest} ({what}) to {MOST_IN_A_ROW:,}.")


def listed_temperatures(temperature: float | tuple[float, ...]) -> tuple[float, ...]:
    """The temperatures that the user gave, one or several."""
    temperatures = temperature if isinstance(temperature, tuple) else (temperature,)
    if not temperatures or not all(0 <= each < inf for each in temperatures):
        raise InputError(f"--temperature is {typed(temperature)}; it takes numbers of at least 0.")
    return temperatures


def check_columns(columns: int | None) -> None:
    """Refuse a number of columns that is out of range."""
    if columns is not None and not 1 <= columns <= MOST_IN_A_ROW:
        raise InputError(f"--columns is {columns}; it takes a whole number from 1 to {MOST_IN_A_ROW:,}.")


def check_seed(seed: int) -> None:
    """Refuse a seed that is out of range."""
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed is {seed}; it takes a whole number of at least 0.")
