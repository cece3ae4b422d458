"""Categories of LSUN (Yu et al. 2015): lmdb databases of image files, or folders exported from them.

`fitting` takes the centre of an image, or a random crop as in RealNVP's protocol.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from glowflow.data.dataset import Split
from glowflow.data.published.picture_files import every_picture
from glowflow.data.published.reading import Item, Part, Reading, found, refused
from glowflow.errors import InputError
from glowflow.packages import imported


def read(category: str, files: Path) -> Reading:
    """The category's training images, and the validation images as the test split of the literature."""
    names: dict[Split, str] = {"train": f"{category}_train", "test": f"{category}_val"}
    paths = {split: found(files, f"{name}_lmdb", name) for split, name in names.items()}
    parts = {split: _part(path) for split, path in paths.items()}
    read_files = [path / "data.mdb" if (path / "data.mdb").exists() else path for path in paths.values()]
    return Reading(parts, read_files, named=True)


def _part(path: Path) -> Part:
    is_database = (path / "data.mdb").exists()
    return _database(path) if is_database else every_picture(path, key=lambda name: Path(name).stem)


def _database(path: Path) -> Part:
    """A database whose values are image files, in the order of its keys.

    A truncated database is refused: reading a page behind the end of its file would kill the process (SIGBUS).
    """
    with refused(path), _opened(path) as database:
        status, size = database.stat(), (path / "data.mdb").stat().st_size
        if (database.info()["last_pgno"] + 1) * status["psize"] > size:
            raise InputError(f"{path / 'data.mdb'} is cut off, at {size:,} bytes: get it again.")
        return Part(status["entries"], partial(_keys, path), partial(_items, path))


def _keys(path: Path) -> Iterator[str]:
    with refused(path), _cursor(path) as cursor:
        yield from map(_text, cursor.iternext(keys=True, values=False))


def _items(path: Path, start: int) -> Iterator[Item]:
    with refused(path), _cursor(path) as cursor:
        for row, key in enumerate(cursor.iternext(keys=True, values=False)):
            if row >= start:
                yield Item(_text(key), f"{path}, key {_text(key)}", bytes(cursor.value()))


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
