"""The cache of prepared images: one directory for each data set and image shape, memory-mapped and never half written.

A directory holds `meta.json` and, for each split, `train-images.npy` and whichever of labels, attributes, groups and
sources the data has. It is built under another name and renamed when whole. Nothing in it is pickled.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.durable import sync
from glowflow.errors import InputError
from glowflow.locks import lock
from glowflow.progress import say

FORMAT = 1
SCRATCH = "scratch-"


@dataclass(frozen=True)
class Names:
    """What the labels and the attributes of a data set are called."""

    classes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set that can be prepared.

    Attributes:
        name: what people call it.
        key: names its directory in the cache; equal keys promise equal content.
        build: writes every split into a `Builder`.
        replaces: the start of the keys of which this one is the newest version; the others are removed.
    """

    name: str
    key: str
    build: Callable[[Builder], Names]
    replaces: str = ""


@dataclass
class Builder:
    """A cache directory being written.

    What an interrupted build left is kept, so a build whose rows depend on nothing else can go on from there
    (see `scratch`); every other build overwrites all of it.
    """

    directory: Path
    columns: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)

    def create(self, split: Split, column: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array on disk to write one column of a split to, of zeros or of what an interrupted build left."""
        array = _open_or_create(self.path(split, column), shape, np.dtype(dtype))
        self.columns.setdefault(split, {})[column] = array
        return array

    def save(self, split: Split, **columns: NDArray[Any] | None) -> None:
        """Write whole columns of a split, those that are not None."""
        for column, values in columns.items():
            if values is not None:
                self.create(split, column, values.shape, values.dtype)[...] = values

    def path(self, split: Split, column: str) -> Path:
        """The file that `create` opens."""
        return self.directory / _file_name(split, column)

    def gather(self, split: Split, column: str, array: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Write `array[rows]` as a column without holding it in memory at once."""
        column_array = self.create(split, column, (len(rows), *array.shape[1:]), array.dtype)
        for start in range(0, len(rows), 1024):
            part = rows[start : start + 1024]
            column_array[start : start + len(part)] = array[part]

    def scratch(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap[Any, Any]:
        """An array on disk that is dropped when the data set is whole: of zeros, or what an interrupted build left.

        A build of many pieces that marks them in one, each when the piece is on the disk, can go on from there.
        """
        return _open_or_create(self.directory / f"{SCRATCH}{name}.npy", shape, np.dtype(dtype))

    def finish(self, source: Source, names: Names) -> None:
        """Write `meta.json` and bring everything to the disk."""
        for path in self.directory.glob(f"{SCRATCH}*"):
            path.unlink()
        _write_meta(self.directory, source, names, self.columns)
        self.columns.clear()  # closes the maps: Windows renames no directory with an open file
        for path in (*self.directory.iterdir(), self.directory):
            sync(path)


def cache_directory() -> Path:
    """Where prepared data is kept: $GLOWFLOW_CACHE, else $XDG_CACHE_HOME/glowflow, else ~/.cache/glowflow."""
    if chosen := os.environ.get("GLOWFLOW_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "glowflow"


def prepared(source: Source, cache: Path | None = None) -> dict[Split, Dataset]:
    """Every split of `source`, from the cache, where it is put first if it isn't there whole.

    Raises:
        InputError: the source can't be used, or the cache can't be written.
    """
    cache = cache or cache_directory()
    try:
        return _read(cache / source.key)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent, of another format, or damaged: all mean that it's to be built
    try:
        _prepare(source, cache)
        return _read(cache / source.key)
    except OSError as error:
        message = (
            f"{source.name} can't be prepared in the cache directory {cache} ({error.strerror or error}): "
            "make room there, or name another directory in the environment variable GLOWFLOW_CACHE."
        )
        raise InputError(message) from error


def _prepare(source: Source, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f".{source.key}.lock", source.name):
        if _is_whole(cache / source.key):
            return  # another process has built it while this one waited
        if (cache / source.key).exists():
            say(f"{cache / source.key} is damaged, or of an older version: preparing {source.name} anew.")
        _build(source, cache)


def _build(source: Source, cache: Path) -> None:
    partial = cache / f".{source.key}.partial"
    partial.mkdir(exist_ok=True)
    builder = Builder(partial)
    try:
        builder.finish(source, source.build(builder))
    except Exception:  # an interruption isn't one: what it leaves is of use
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for old in _superseded(source, cache):
        shutil.rmtree(old, ignore_errors=True)
    partial.rename(cache / source.key)
    sync(cache)


def _superseded(source: Source, cache: Path) -> list[Path]:
    """A damaged directory of the same key, and what older versions of a source left, whole or not."""
    older = [cache / source.key]
    if source.replaces:
        siblings = (p for p in cache.iterdir() if p.name.lstrip(".").startswith(source.replaces))
        older += [path for path in siblings if source.key not in path.name]
    return older


def _read(directory: Path) -> dict[Split, Dataset]:
    meta = json.loads((directory / "meta.json").read_text(encoding="utf-8"))
    if meta["format"] != FORMAT:
        raise ValueError(f"cache format {meta['format']}, not {FORMAT}")
    names: dict[str, Any] = {key: tuple(meta[key]) for key in ("class_names", "attribute_names")}
    return {
        split: Dataset(meta["name"], split, **names, **_read_columns(directory, split, meta["splits"][split]))
        for split in SPLITS
    }


def _read_columns(directory: Path, split: Split, columns: dict[str, Any]) -> dict[str, Any]:
    """Map each column; numpy itself refuses a file that is shorter than its header says."""
    arrays = {}
    for column, expected in columns.items():
        array = np.load(directory / _file_name(split, column), mmap_mode="r", allow_pickle=False)
        if _signature(array) != expected:
            raise ValueError(f"{column} of {split} is not as meta.json says")
        arrays[column] = array
    return arrays


def _is_whole(directory: Path) -> bool:
    try:
        _read(directory)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _write_meta(directory: Path, source: Source, names: Names, columns: dict[str, dict[str, NDArray[Any]]]) -> None:
    meta = {
        "format": FORMAT,
        "name": source.name,
        "class_names": names.classes,
        "attribute_names": names.attributes,
        "splits": {split: {k: _signature(v) for k, v in arrays.items()} for split, arrays in columns.items()},
    }
    (directory / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _signature(array: NDArray[Any]) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": array.dtype.str}


def _file_name(split: Split, column: str) -> str:
    return f"{split}-{column}.npy"


def _open_or_create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
    try:
        array = open_memmap(path, mode="r+")
        if array.shape != shape or array.dtype != dtype:
            raise ValueError("left by another build")
    except (OSError, ValueError):
        array = open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    _reserve(path)
    return array


def _reserve(path: Path) -> None:
    """Claim the file's blocks now: a full disk found while writing to the map would kill the process (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """Hold an exclusive lock on `path`, which the system itself gives up when the process ends, however it ends."""
    with path.open("ab") as file:
        try:
            lock(file, blocking=False)
        except OSError:
            say(f"Waiting for another process that is preparing {name}.")
            lock(file, blocking=True)
        yield
