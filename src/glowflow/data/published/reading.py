"""The result of reading published files: parts, which are whole splits, made of items, which are images.

A reader is a function from the folder of files to a `Reading`. It raises MissingError if a file is missing, and
InputError if a file is broken or a package that it needs isn't installed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import Split
from glowflow.errors import InputError

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Load = Callable[[Path], tuple[Images, Labels]]
"""Returns all images of a file, (N, h, w) or (N, h, w, c), and their labels, (N,)."""
Rows = Callable[[Path, int], Iterator[tuple[Images, int]]]
"""Yields the images of a file, (h, w) or (h, w, c), from some number on, each with its label."""


class MissingError(Exception):
    """A file or folder of a published data set is missing. The message names it."""


class Item(NamedTuple):
    """One image as published.

    Attributes:
        key: its name, unique in its part. It decides whether the image is held out, and how it's cropped.
        where: its name in messages.
        picture: uint8 (h, w) or (h, w, c), or the path or the content of an image file.
        label: the index of its class; None if it's kept secret.
        attributes: the value of each attribute.
        group: the number of its cluster, such as the photograph that it's a piece of.
    """

    key: str
    where: str
    picture: Images | Path | bytes
    label: int | None = 0
    attributes: NDArray[np.bool_] | tuple[()] = ()
    group: int = 0


@dataclass(frozen=True)
class Part:
    """The images of one split as published, always in the same order.

    Attributes:
        count: the number of images.
        each_key: yields each image's key, without reading the images.
        items: yields the images from some number on, and reads each when it's needed.
    """

    count: int
    each_key: Callable[[], Iterator[str]]
    items: Callable[[int], Iterator[Item]]

    def __len__(self) -> int:
        """The number of images."""
        return self.count


@dataclass(frozen=True)
class Reading:
    """A published data set, ready to be read.

    Attributes:
        parts: the published splits. Missing ones are held out of "train".
        files: the files, and folders of images, that are read. Changes of them are noticed.
        class_names: the names of labels; None without labels, and empty if classes are only numbers.
        attribute_names: the names of attributes.
        md5: the published digests of some of the files.
        grouped: True if the images have groups.
        named: True if the keys are names by which people know the images.
        remark: an addition to the data set's name that says how it was read.
    """

    parts: Mapping[Split, Part]
    files: Sequence[Path]
    class_names: tuple[str, ...] | None = None
    attribute_names: tuple[str, ...] = ()
    md5: Mapping[Path, str] = field(default_factory=dict)
    grouped: bool = False
    named: bool = False
    remark: str = ""


def batches(paths: Sequence[Path], load: Load) -> Part:
    """A part of files that are each read at once.

    Each file is read once beforehand, so that a broken one is found before anything is written.
    """

    def loaded(path: Path) -> tuple[Images, Labels]:
        images, labels = load(path)
        if len(images) != len(labels):
            raise InputError(f"{path} has {len(images)} images and {len(labels)} labels: get it again.")
        return images, labels

    def rows(path: Path, start: int) -> Iterator[tuple[Images, int]]:
        images, labels = loaded(path)
        return ((images[row], int(labels[row])) for row in range(start, len(labels)))

    return in_files(paths, [len(loaded(path)[1]) for path in paths], rows)


def in_files(paths: Sequence[Path], counts: Sequence[int], rows: Rows) -> Part:
    """A part of several files, with the number of images in each. The keys of images are their numbers."""
    total = sum(counts)
    return Part(total, lambda: map(str, range(total)), partial(_items, paths, counts, rows))


def _items(paths: Sequence[Path], counts: Sequence[int], rows: Rows, start: int) -> Iterator[Item]:
    for path, count, end in zip(paths, counts, accumulate(counts), strict=True):
        if start < end:
            first = max(count - (end - start), 0)
            for row, (image, label) in enumerate(rows(path, first), first):
                yield Item(str(end - count + row), record(path, row), image, label)


def record(path: Path, number: int) -> str:
    """The name of a file's record in messages."""
    return f"{path}, record {number} (counting from 0)"


def found(folder: Path, *places: str) -> Path:
    """The first existing path of some within a folder; a MissingError names the first of them if none exists."""
    for path in (folder / place for place in places):
        if path.exists():
            return path
    raise MissingError(Path(places[0]).name)


@contextmanager
def refused(where: object) -> Iterator[None]:
    """Turn any exception that a broken file causes in a library into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise InputError(f"{where} can't be read ({reason}): get it again.") from error
