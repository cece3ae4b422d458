"""What a reader makes of files as they were published: parts, which are whole splits, of items, which are images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import Split
from glowflow.errors import InputError

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


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


class Part(Protocol):
    """The images of one split as published, always in the same order."""

    def __len__(self) -> int:
        """How many there are."""

    def each_key(self) -> Iterator[str]:
        """Each image's key, without reading the images."""

    def items(self, start: int) -> Iterator[Item]:
        """The images from number `start` on, read as they are asked for."""


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
        remark: what the data set's name is to say of how it was read.
    """

    parts: Mapping[Split, Part]
    files: Sequence[Path]
    class_names: tuple[str, ...] | None = None
    attribute_names: tuple[str, ...] = ()
    md5: Mapping[Path, str] = field(default_factory=dict)
    named: bool = False
    remark: str = ""


@dataclass(frozen=True)
class Batches:
    """A part in files that are read one at a time; the images' keys are their numbers.

    Attributes:
        paths: the files.
        counts: how many images each has.
        rows: gives a file's images (h, w) or (h, w, c), each with its label, from one number up to another.
    """

    paths: Sequence[Path]
    counts: Sequence[int]
    rows: Callable[[Path, int, int], Iterator[tuple[Images, int]]]

    @classmethod
    def of(cls, paths: Sequence[Path], load: Callable[[Path], tuple[Images, Labels]]) -> Batches:
        """Files that are read whole: all images, (N, h, w) or (N, h, w, c), and their labels.

        Each is read once here, so that a broken one is found before anything is written.
        """
        return cls(paths, [len(load(path)[1]) for path in paths], partial(_loaded, load))

    def __len__(self) -> int:
        """How many images there are."""
        return sum(self.counts)

    def each_key(self) -> Iterator[str]:
        """The images' numbers."""
        return map(str, range(len(self)))

    def items(self, start: int) -> Iterator[Item]:
        """The images from number `start` on."""
        for path, count, end in zip(self.paths, self.counts, accumulate(self.counts), strict=True):
            if start < end:
                first = max(count - (end - start), 0)
                for row, (image, label) in enumerate(self.rows(path, first, count), first):
                    yield Item(str(end - count + row), record(path, row), image, label)


def _loaded(
    load: Callable[[Path], tuple[Images, Labels]], path: Path, start: int, stop: int
) -> Iterator[tuple[Images, int]]:
    images, labels = load(path)
    return ((images[row], int(labels[row])) for row in range(start, stop))


def record(path: Path, number: int) -> str:
    """What to call a record of a file in a message."""
    return f"{path}, record {number} (counting from 0)"


def first_of(folder: Path, places: Sequence[str], having: str) -> Path | None:
    """The first of these sub-folders (. for the folder itself) that has a file of this name, or a folder."""
    return next((folder / place for place in places if (folder / place / having).exists()), None)


@contextmanager
def refused(where: object) -> Iterator[None]:
    """Make one sentence of whatever a broken file makes a library raise.

    Raises:
        InputError: in place of any other exception.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise InputError(f"{where} can't be read ({reason}): get it again.") from error
