"""What a reader makes of files as they were published: parts, which are whole splits, of items, which are images.

Each reader is a function from the folder of the files to a `Reading`. It raises MissingError if a file isn't there, and
InputError if a file is broken, or a package that reads it isn't installed.
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
"""Gives all images of a file, (N, h, w) or (N, h, w, c), and their labels, (N,)."""
Rows = Callable[[Path, int], Iterator[tuple[Images, int]]]
"""Gives the images of a file, (h, w) or (h, w, c), from some number on, each with its label."""


class MissingError(Exception):
    """A file or folder that a data set is published with isn't there; the message names it."""


class Item(NamedTuple):
    """One image as published.

    Attributes:
        key: its name, unlike any other's in its part; it decides whether the image is held out, and how it's cropped.
        where: what to call it in a message.
        picture: uint8 (h, w) or (h, w, c), or an image file by its path or its content.
        label: index into the classes; None where it's kept secret.
        attributes: one truth for each attribute.
    """

    key: str
    where: str
    picture: Images | Path | bytes
    label: int | None = 0
    attributes: NDArray[np.bool_] | tuple[()] = ()


@dataclass(frozen=True)
class Part:
    """The images of one split as published, always in the same order.

    Attributes:
        count: how many there are.
        each_key: gives each image's key, without reading the images.
        items: gives the images from some number on, read as they are asked for.
    """

    count: int
    each_key: Callable[[], Iterator[str]]
    items: Callable[[int], Iterator[Item]]

    def __len__(self) -> int:
        """How many images there are."""
        return self.count


@dataclass(frozen=True)
class Reading:
    """A data set as published, found and about to be read.

    Attributes:
        parts: the published splits; those that aren't there are held out of "train".
        files: what is read, to tell whether it has changed: files, and folders of images.
        class_names: what the labels are called, None for no labels, empty for classes that are but numbers.
        attribute_names: what the attributes are called.
        md5: the digests that were published of some of the files.
        named: whether the keys are names by which people know the images.
        remark: what is added to the data set's name about how it was read.
    """

    parts: Mapping[Split, Part]
    files: Sequence[Path]
    class_names: tuple[str, ...] | None = None
    attribute_names: tuple[str, ...] = ()
    md5: Mapping[Path, str] = field(default_factory=dict)
    named: bool = False
    remark: str = ""


def batches(paths: Sequence[Path], load: Load) -> Part:
    """A part in files that are each read whole.

    Each is read once right away, so that a broken one is found before anything is written.
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
    """A part in several files, of which each has so many images; the images' keys are their numbers."""
    total = sum(counts)
    return Part(total, lambda: map(str, range(total)), partial(_items, paths, counts, rows))


def _items(paths: Sequence[Path], counts: Sequence[int], rows: Rows, start: int) -> Iterator[Item]:
    for path, count, end in zip(paths, counts, accumulate(counts), strict=True):
        if start < end:
            first = max(count - (end - start), 0)
            for row, (image, label) in enumerate(rows(path, first), first):
                yield Item(str(end - count + row), record(path, row), image, label)


def record(path: Path, number: int) -> str:
    """What to call a record of a file in a message."""
    return f"{path}, record {number} (counting from 0)"


def found(folder: Path, *places: str) -> Path:
    """The first of some paths within a folder that exists; a MissingError with the first one's name if none does."""
    for path in (folder / place for place in places):
        if path.exists():
            return path
    raise MissingError(Path(places[0]).name)


@contextmanager
def refused(where: object) -> Iterator[None]:
    """Make one sentence, an InputError, of whatever a broken file makes a library raise."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise InputError(f"{where} can't be read ({reason}): get it again.") from error
