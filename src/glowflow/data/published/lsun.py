"""LSUN (Yu et al. 2015), a category at a time: lmdb databases of image files, or folders exported from them.

What becomes of an image is told by `fitting`: its centre, or a random crop as in RealNVP's protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glowflow.data.dataset import Split
from glowflow.data.published.optional import imported
from glowflow.data.published.picture_files import picture_files
from glowflow.data.published.reading import Item, MissingError, Part, Reading, refused
from glowflow.errors import InputError


def read(category: str, files: Path) -> Reading:
    """The category's training images, and the validation images as the test split of the literature.

    Raises:
        MissingError: one isn't there, neither as a database nor as a folder.
        InputError: a database is broken, or lmdb isn't installed.
    """
    paths: dict[Split, Path] = {
        "train": _path(files, f"{category}_train"),
        "test": _path(files, f"{category}_val"),
    }
    parts: dict[Split, Part] = {split: _part(path) for split, path in paths.items()}
    read_files = [path / "data.mdb" if (path / "data.mdb").exists() else path for path in paths.values()]
    return Reading(parts, read_files, named=True)


def _path(files: Path, name: str) -> Path:
    for path in (files / f"{name}_lmdb", files / name):
        if path.is_dir():
            return path
    raise MissingError(f"{name}_lmdb")


def _part(path: Path) -> Part:
    return _Database.at(path) if (path / "data.mdb").exists() else picture_files(path, bare_keys=True)


@dataclass(frozen=True)
class _Database:
    """An lmdb database whose values are image files, in the order of its keys."""

    path: Path
    count: int

    @classmethod
    def at(cls, path: Path) -> _Database:
        """The database in a folder, if it's whole: a page behind the end of its file would end the process (SIGBUS)."""
        with refused(path), _opened(path) as database:
            status, size = database.stat(), (path / "data.mdb").stat().st_size
            if (database.info()["last_pgno"] + 1) * status["psize"] > size:
                raise InputError(f"{path / 'data.mdb'} is cut off, at {size:,} bytes: get it again.")
            return cls(path, status["entries"])

    def __len__(self) -> int:
        return self.count

    def each_key(self) -> Iterator[str]:
        with refused(self.path), _cursor(self.path) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                yield _text(key)

    def items(self, start: int) -> Iterator[Item]:
        with refused(self.path), _cursor(self.path) as cursor:
            for row, key in enumerate(cursor.iternext(keys=True, values=False)):
                if row >= start:
                    yield Item(_text(key), f"{self.path}, key {_text(key)}", bytes(cursor.value()))


def _opened(path: Path) -> Any:  # noqa: ANN401
    lmdb = imported("lmdb", "A database of LSUN", "published")
    return lmdb.open(str(path), readonly=True, lock=False, readahead=False, meminit=False)


@contextmanager
def _cursor(path: Path) -> Iterator[Any]:
    """A cursor before the first key of a database."""
    with _opened(path) as database, database.begin() as transaction, transaction.cursor() as cursor:
        yield cursor


def _text(key: bytes) -> str:
    return key.decode("utf-8", "replace")
