"""The `Source` of a published data set, and downloads by torchvision."""

import json
import os
import re
from pathlib import Path

from glowflow.data.cache import Builder, Names, Source, cache_directory
from glowflow.data.keys import digest, states
from glowflow.data.published.reading import MissingError, Reading
from glowflow.data.published.table import PUBLISHED, Published
from glowflow.data.published.writer import Form, build
from glowflow.errors import InputError, one_line
from glowflow.packages import imported
from glowflow.shapes import Shape, shape_text

VERSION = 1
"""A part of the cache's key. Raise it when the same files give other images."""
ARCHIVES = ("*.zip", "*.tar", "*.tgz", "*.tar.gz", "*.7z")


def source(name: str, image_shape: Shape, files: Path | None = None) -> Source:
    """The published data set `name` at `image_shape`, from the cache or from its files.

    Without the folder `files`, the files of an installed package are used.
    """
    entry = PUBLISHED[name]
    _check_shape(name, entry, image_shape)
    key = f"{name}-{shape_text(image_shape)}-v{VERSION}"

    def write(builder: Builder, reading: Reading) -> Names:
        return build(builder, reading, Form(image_shape, entry.fit, entry.native), name, entry.num_images)

    if files is not None:
        reading = _read(name, entry, files)
        counts = [f"{split} {len(part)}" for split, part in reading.parts.items()]
        origin = digest(*counts, *states(reading.files))
        return Source(name, key, lambda builder: write(builder, reading), origin=origin)
    if place := entry.installed and entry.installed.find():
        return Source(name, key, lambda builder: write(builder, _read(name, entry, place)))
    return Source(name, key, _nothing, needs=_how_to_prepare(name, entry, image_shape))


def fetch(name: str, folder: Path | None = None) -> Path:
    """Let torchvision download a data set's files, and return their folder, by default one in the cache.

    Raises:
        InputError: torchvision doesn't have the data set, isn't installed, or can't get the files.
    """
    dataset, calls = PUBLISHED[name].torchvision
    if not dataset:
        raise InputError(f"{name} can't be downloaded from here: fetch {PUBLISHED[name].layout}, and give --files.")
    datasets = imported("torchvision.datasets", f"Downloading {dataset}", "vision")
    folder = folder or cache_directory() / "downloads" / name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for options in calls:
            getattr(datasets, dataset)(str(folder), download=True, **options)
    except Exception as error:  # the network and the servers raise many things
        raise InputError(
            f"{dataset} can't be downloaded ({one_line(error)}): fetch its files by hand, and give their "
            "folder with --files."
        ) from error
    return folder


def prepared_shapes(name: str) -> dict[str, str]:
    """The image shapes, such as 3x32x32, of a published data set in the cache, with its title for each."""
    pattern = re.compile(rf"{re.escape(name)}-(\d+x\d+x\d+)-v{VERSION}")
    try:
        cache = cache_directory()
        keys = sorted(os.listdir(cache))
    except (InputError, OSError):  # there is no readable cache
        return {}
    return {match[1]: _title(cache / key) for key in keys if (match := pattern.fullmatch(key))}


def _title(directory: Path) -> str:
    try:
        return str(json.loads((directory / "meta.json").read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError):
        return "damaged"


def _nothing(_: Builder) -> Names:
    raise AssertionError("without files there is nothing to build from")


def _check_shape(name: str, entry: Published, image_shape: Shape) -> None:
    channels, height, width = image_shape
    fewest, most = entry.sides
    if channels not in {1, 3} or min(height, width) < fewest or max(height, width) > most:
        raise InputError(
            f"{name} can't give {shape_text(image_shape)} (channels x height x width): choose 1 or 3 channels, and "
            f"{fewest} to {most} pixels a side, such as {shape_text(entry.shapes[0])}."
        )


def _how_to_prepare(name: str, entry: Published, image_shape: Shape) -> str:
    shape = "" if image_shape == entry.shapes[0] else f' --image-shape "{list(image_shape)}"'
    download_instead = " (or --download)" if entry.torchvision[0] else ""
    there = f"{name} isn't prepared at {shape_text(image_shape)} yet"
    prepare = f"run glowflow data prepare {name}{shape} --files DIR{download_instead}, where DIR holds {entry.layout}."
    if entry.installed is None:
        return f"{there}: {prepare}"
    return f"{there}. On Debian or Ubuntu, run apt install {' '.join(entry.installed.packages)}. Elsewhere, {prepare}"


def _read(name: str, entry: Published, files: Path) -> Reading:
    if not files.is_dir():
        raise InputError(f"{files} isn't a folder: --files takes the folder that holds {entry.layout}.")
    try:
        return entry.read(files)
    except MissingError as error:
        hint = _hint(files.resolve(), entry)
        raise InputError(f"{files} lacks {error}{hint}: {name} is prepared from {entry.layout}.") from None


def _hint(files: Path, entry: Published) -> str:
    """A hint at what may be wrong with a folder that lacks a file."""
    if files.name in re.split(r"[\s,]+", entry.layout):
        return f" (perhaps {files.parent} is meant)"
    archives = [path for pattern in ARCHIVES for path in sorted(files.glob(pattern))]
    return f" ({archives[0].name} is to be unpacked first)" if archives else ""
