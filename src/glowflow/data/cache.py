"""The cache of prepared images: one memory-mapped directory for each data set and image shape, never half written.

A directory holds `meta.json` and, for each split, `train-images.npy` and the labels, attributes, groups and sources
that the data has. It is built under another name and renamed when it's complete. Nothing in it is pickled.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.glimpse import Glimpse
from glowflow.data.identity import digest_of
from glowflow.data.value_range import Range
from glowflow.durable import UNSUPPORTED, sync
from glowflow.errors import InputError
from glowflow.locks import lock
from glowflow.paths import expanded
from glowflow.progress import noted, say

FORMAT = 1
META = "meta.json"
SCRATCH = "scratch-"
ROWS = 1024
"""Images that are copied at a time."""
SAID: set[Path] = set()
"""Directories of which this process has said what was said when they were built."""


@dataclass(frozen=True)
class Names:
    """What a build found out: the names of classes and attributes, the data set's title, and its value ranges."""

    classes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    title: str = ""
    value_ranges: Mapping[str, Range] = field(default_factory=dict)
    said: Sequence[str] = ()
    """The messages of the build, for example about images that it left out. `prepared` fills them in."""


@dataclass(frozen=True)
class Source:
    """A data set that can be prepared.

    Each kind of data set has a function `source` that returns one for an image shape. It raises InputError if the data
    set can't have this shape or doesn't exist.

    Attributes:
        name: what people call it.
        key: names its directory in the cache; equal keys promise equal content.
        build: writes every split into a `Builder`.
        replaces: the start of keys; this source replaces all others whose keys start so, and they are removed.
        origin: identifies the files that it's built from. If they change, it's built again. Empty ignores changes.
        needs: what the user must do first, if the data set can't be built because its files are missing.
        outdated: says what is wrong with a directory of an older version, which is still used; empty if nothing is.
        glimpse: gives a few images of a split without a build; None if a build is as fast.
    """

    name: str
    key: str
    build: "Callable[[Builder], Names]"
    replaces: str = ""
    origin: str = ""
    needs: str = ""
    outdated: Callable[[], str] = str
    glimpse: Callable[[Split, int], Glimpse] | None = None


@dataclass
class Builder:
    """A cache directory being written.

    The arrays of an interrupted build are kept. A build that knows which rows are done (see `scratch`) goes on from
    there; any other build overwrites them.
    """

    directory: Path
    columns: dict[Split, dict[str, NDArray[Any]]] = field(default_factory=dict)

    def create(self, split: Split, column: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap[Any, Any]:
        """An array on disk for one column of a split. It holds zeros, or the values of an interrupted build."""
        array = _opened(self.path(split, column), shape, np.dtype(dtype))
        self.columns.setdefault(split, {})[column] = array
        return array

    def save(self, split: Split, **columns: NDArray[Any] | None) -> None:
        """Write whole columns of a split, except for those that are None."""
        for column, values in columns.items():
            if values is not None:
                self.create(split, column, values.shape, values.dtype)[...] = values

    def path(self, split: Split, column: str) -> Path:
        """The file that `create` opens."""
        return self.directory / _file_name(split, column)

    def gather(self, split: Split, column: str, array: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Write `array[rows]` as a column without holding it in memory at once."""
        column_array = self.create(split, column, (len(rows), *array.shape[1:]), array.dtype)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            column_array[part] = array[rows[part]]

    def scratch(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap[Any, Any]:
        """A temporary array on disk, of zeros or with the values of an interrupted build.

        A build can record in it which pieces are done, and go on from there.
        """
        return _opened(self.directory / f"{SCRATCH}{name}.npy", shape, np.dtype(dtype))

    def finish(self, source: Source, names: Names) -> None:
        """Write `meta.json` and bring everything to the disk."""
        for path in self.directory.glob(f"{SCRATCH}*"):
            path.unlink()
        _write_meta(self.directory, source, names, self.columns)
        self.columns.clear()  # closes the maps: Windows renames no directory with an open file
        for path in (*self.directory.iterdir(), self.directory):
            sync(path)


def cache_directory() -> Path:
    """Where prepared data is kept: $GLOWFLOW_CACHE, else $XDG_CACHE_HOME/glowflow, else ~/.cache/glowflow.

    InputError if there is no home directory for it.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    chosen = os.environ.get("GLOWFLOW_CACHE") or f"{base}/glowflow"
    try:
        return Path(expanded(chosen))
    except InputError:
        raise InputError(
            f"Prepared data can't be kept in {chosen}, since there is no such home directory: name another directory "
            "in the environment variable GLOWFLOW_CACHE."
        ) from None


def stored(source: Source, cache: Path | None = None) -> dict[Split, Dataset] | None:
    """All splits of `source`; None if the cache lacks them, or they are damaged or of another format or origin."""
    try:
        return _read((cache or cache_directory()) / source.key, source.origin)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def prepared(source: Source, cache: Path | None = None) -> dict[Split, Dataset]:
    """All splits of `source`, from the cache. They are built first if the cache doesn't have them.

    A build reports which images it leaves out, for example. Each later process that uses the images repeats this once.

    Raises:
        InputError: the source can't be used, or the cache can't be written.
    """
    cache = cache or cache_directory()
    if splits := stored(source, cache):
        if not splits["train"].digest and (problem := source.outdated()):
            say(f"{problem} To prepare {source.name} again, remove {cache / source.key}.")
        _say_again(cache / source.key)
        return splits
    if source.needs:
        raise InputError(source.needs)
    try:
        _prepare(source, cache)
        return _read(cache / source.key)
    except OSError as error:
        room = "make room there, or " if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        raise InputError(
            f"{source.name} can't be prepared in the cache directory {cache} ({error.strerror or error}): {room}name "
            "another directory, on a local disk, in the environment variable GLOWFLOW_CACHE."
        ) from error


def _prepare(source: Source, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f".{source.key}.lock", source.name):
        if stored(source, cache):
            return  # another process has built it while this one waited
        if (cache / source.key).exists():
            kind = "of other files" if source.origin else "of an older version"
            say(f"{cache / source.key} is damaged, or {kind}: preparing {source.name} again.")
        _build(source, cache)


def _build(source: Source, cache: Path) -> None:
    builder = Builder(_partial(source, cache))
    try:
        with noted() as said:
            names = source.build(builder)
        builder.finish(source, replace(names, said=said))
    except Exception:  # not an interruption, whose files the next build uses
        shutil.rmtree(builder.directory, ignore_errors=True)
        raise
    _remove_older(source, cache)
    builder.directory.rename(cache / source.key)
    sync(cache)
    SAID.add(cache / source.key)


def _say_again(directory: Path) -> None:
    """Say what was said when a directory was built, unless this process has said it."""
    if directory not in SAID:
        SAID.add(directory)
        for sentence in json.loads((directory / META).read_text(encoding="utf-8")).get("said", ()):
            say(sentence)


def _partial(source: Source, cache: Path) -> Path:
    """The directory to build in, with the files of an interrupted build from the same origin."""
    directory = cache / f".{source.key}.partial"
    origin = directory / f"{SCRATCH}origin"
    if (origin.read_text(encoding="utf-8") if origin.exists() else "") != source.origin:
        shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(exist_ok=True)
    if source.origin:
        origin.write_text(source.origin, encoding="utf-8")
    return directory


def _remove_older(source: Source, cache: Path) -> None:
    """Remove a damaged directory of the same key, and those of older versions, complete or not."""
    for path in list(cache.iterdir()) if source.replaces else ():
        if path.name.lstrip(".").startswith(source.replaces) and source.key not in path.name:
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(cache / source.key, ignore_errors=True)


def _read(directory: Path, origin: str = "") -> dict[Split, Dataset]:
    meta = json.loads((directory / META).read_text(encoding="utf-8"))
    if meta["format"] != FORMAT or origin not in {"", meta.get("origin", "")}:
        raise ValueError(f"cache of format {meta['format']}, or of another origin")
    facts: dict[str, Any] = {key: tuple(meta[key]) for key in ("class_names", "attribute_names")}
    facts["value_ranges"] = {kind: (low, high) for kind, (low, high) in meta.get("value_ranges", {}).items()}
    facts["digest"] = meta.get("digest", "")  # caches of older versions have none
    return {
        split: Dataset(meta["name"], split, **facts, **_read_columns(directory, split, meta["splits"][split]))
        for split in SPLITS
    }


def _read_columns(directory: Path, split: Split, columns: dict[str, Any]) -> dict[str, Any]:
    """Map each column. NumPy itself refuses a file that is shorter than its header says."""
    arrays = {}
    for column, expected in columns.items():
        array = np.load(directory / _file_name(split, column), mmap_mode="r", allow_pickle=False)
        if _signature(array) != expected:
            raise ValueError(f"{column} of {split} is not as meta.json says")
        arrays[column] = array
    return arrays


def _write_meta(directory: Path, source: Source, names: Names, columns: dict[Split, dict[str, NDArray[Any]]]) -> None:
    splits = {
        split: Dataset("", split, arrays["images"], arrays.get("labels"), names.classes)
        for split, arrays in columns.items()
    }
    meta = {
        "format": FORMAT,
        "name": names.title or source.name,
        "origin": source.origin,
        "class_names": names.classes,
        "attribute_names": names.attributes,
        "value_ranges": names.value_ranges,
        "digest": digest_of(splits),
        "said": names.said,
        "splits": {split: {k: _signature(v) for k, v in arrays.items()} for split, arrays in columns.items()},
    }
    (directory / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _signature(array: NDArray[Any]) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": array.dtype.str}


def _file_name(split: Split, column: str) -> str:
    return f"{split}-{column}.npy"


def _opened(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
    try:
        array = open_memmap(path, mode="r+")
        if array.shape != shape or array.dtype != dtype:
            raise ValueError("left by another build")
    except (OSError, ValueError):
        array = open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    _reserve(path)
    return array


def _reserve(path: Path) -> None:
    """Reserve the file's blocks now. Writing to a map on a full disk would kill the process (SIGBUS)."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """Hold an exclusive lock on `path`."""
    with path.open("ab") as file:
        try:
            lock(file, blocking=False)
        except BlockingIOError:
            say(f"Waiting for another process that is preparing {name}.")
            lock(file, blocking=True)
        yield
