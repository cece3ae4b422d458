"""A folder of image files.

Sub-folders named train, validation and test (or another name in `splits.NAMES`) are splits, and the folders in them are
labels. Without a train folder, the sub-folders themselves are labels.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glowflow.data.cache import Builder, Names, Source
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.glimpse import Glimpse, spread
from glowflow.data.image_file import UnreadableError, check_channels, fit, opened
from glowflow.data.keys import digest, prefix
from glowflow.data.listing import Listing, listing
from glowflow.data.splits import Rows, complete, split_named
from glowflow.data.value_range import UNKNOWN, Range, Seen, together, told, usual
from glowflow.errors import InputError, listed
from glowflow.progress import progress, say
from glowflow.shapes import Shape

BATCH = 256
"""The number of files that are read at a time."""
MOST_PLACES = 5
"""The most sub-folders outside of splits that are named."""
MOST_LOOKED_AT = 100
"""The most files that are opened to find out whether a folder has some of more than 8 bits."""
MOST_NAMED = 20
"""The most unreadable files that are named."""

Result = NDArray[np.uint8] | Seen | UnreadableError
"""The result of reading a file: its image, its values if they have no range yet, or an error."""


@dataclass(frozen=True)
class ImageFile:
    """An image file: its path within the folder, and its split and label.

    In a folder without splits, the split is "train". In a folder with splits, it's None for a file outside of them.
    """

    name: str
    split: Split | None
    label: str | None

    @property
    def top(self) -> str:
        """The top-level sub-folder that it's in; empty if it's in none."""
        return self.name.partition("/")[0] if "/" in self.name else ""


def arranged(names: Sequence[str]) -> list[ImageFile]:
    """Image files with their splits and labels, which follow from their folders."""
    paths = [PurePosixPath(name).parts for name in names]
    by_split = any(len(path) > 1 and split_named(path[0]) == "train" for path in paths)
    files = []
    for name, (*folders, _) in zip(names, paths, strict=True):
        split = (split_named(folders[0]) if folders else None) if by_split else "train"
        labels = folders[1:] if by_split else folders
        files.append(ImageFile(name, split, labels[0] if labels else None))
    return files


def source(folder: Path, image_shape: Shape, value_ranges: Mapping[str, Range] = UNKNOWN) -> Source:
    """The images in `folder`, cropped and reduced to `image_shape`.

    Values of more than 8 bits are read by the given ranges, or else by those that `usual` chooses for all files.
    """
    check_channels(image_shape)
    folder = folder.resolve()
    found = listing(folder)
    if not found.files:
        left_out = "; ".join(found.left_out())
        reason = f"that can be read; left out: {left_out}" if left_out else "such as .png or .jpg files"
        raise InputError(f"The folder {folder} has no images {reason}.")
    images = _Images(found, image_shape, value_ranges)
    where = prefix("folder", os.fspath(folder), image_shape, value_ranges)
    return Source(
        folder.name,
        where + digest(*(_state(folder, name) for name in found.files)),
        images.build,
        replaces=where,
        outdated=partial(_outdated, found),
        glimpse=images.glimpse,
    )


def _state(folder: Path, name: str) -> str:
    """A text that changes when the file does. A link to nothing counts as a file, and is reported as unreadable."""
    try:
        status = (folder / name).stat()
    except OSError:
        return f"{name}\0missing"
    return f"{name}\0{status.st_size}\0{status.st_mtime_ns}"


def _outdated(found: Listing) -> str:
    """What older versions did wrong: they chose a value range for each file of more than 8 bits by itself."""
    some = found.files[:: -(-len(found.files) // MOST_LOOKED_AT)]
    if not any(_is_deep(found.folder / name) for name in some):
        return ""
    return f"An older glowflow prepared {found.folder.name}, and chose a value range for each of its images by itself."


def _is_deep(path: Path) -> bool:
    try:
        with opened(path) as picture:
            return picture.seen is not None
    except UnreadableError:
        return False


@dataclass(frozen=True)
class _Images:
    """The images of a folder, as the model will see them."""

    found: Listing
    image_shape: Shape
    value_ranges: Mapping[str, Range]

    @property
    def folder(self) -> Path:
        return self.found.folder

    def build(self, builder: Builder) -> Names:
        channels, height, width = self.image_shape
        files = self.files()
        images = builder.scratch("images", (len(files), height, width, channels), np.uint8)
        readable, ranges = self.read(files, images)
        files = [files[row] for row in readable]
        labels, class_names = _labels(files, self.folder)
        names = np.array([os.fsencode(file.name) for file in files])
        for split, rows in _splits(files, self.folder).items():
            builder.gather(split, "images", images, readable[rows])
            builder.save(split, labels=None if labels is None else labels[rows], sources=names[rows])
        return Names(classes=class_names, value_ranges=ranges)

    def glimpse(self, split: Split, num: int) -> Glimpse:
        """Images of a split. Counts and labels follow from the names of files; those found unreadable don't count."""
        channels, height, width = self.image_shape
        files = self.files()
        labels, class_names = _labels(files, self.folder)
        rows = _splits(files, self.folder)
        chosen = rows[split][spread(len(rows[split]), num)]
        images = np.empty((len(chosen), height, width, channels), np.uint8)
        readable, ranges = self.read([files[row] for row in chosen], images)
        rows[split] = np.setdiff1d(rows[split], np.delete(chosen, readable))
        names = np.array([os.fsencode(files[row].name) for row in chosen[readable]])
        facts: dict[str, Any] = {"class_names": class_names, "sources": names, "value_ranges": ranges}
        shown = Dataset(self.folder.name, split, images[readable], **facts)
        return Glimpse(shown, {s: len(r) for s, r in rows.items()}, None if labels is None else labels[rows[split]])

    def files(self) -> list[ImageFile]:
        """The files that lie in splits. All others are reported."""
        self.found.report()
        files = arranged(self.found.files)
        outside = [file for file in files if not file.split]
        if outside:
            places = listed(sorted({file.top or "in no sub-folder" for file in outside}), MOST_PLACES)
            where = f"{self.folder} lie outside of train, validation and test"
            say(f"{len(outside):,} images of {where}: left out ({places}).")
        for split in SPLITS:
            folders = sorted({file.top for file in files if split == file.split == split_named(file.top)})
            if len(folders) > 1:
                say(f"The images in {' and '.join(folders)} of {self.folder} together are the {split} split.")
        return [file for file in files if file.split]

    def read(self, files: Sequence[ImageFile], out: NDArray[np.uint8]) -> tuple[Rows, dict[str, Range]]:
        """Write every readable image to its row of `out`, and return the rows and the value ranges that were used.

        InputError if an image is too small, or more than a tenth of the files are unreadable.
        """
        reader = _Reader(self.folder, [file.name for file in files], self.image_shape, out)
        deep = reader.read(range(len(files)), {})  # writes images of 8 bits, and finds the values of the others
        seen = together(deep.values())
        ranges = {kind: self.value_ranges.get(kind, usual(values)) for kind, values in seen.items()}
        told(seen, ranges, self.folder.name)
        if deep:
            reader.read(list(deep), ranges)
        if reader.bad:
            say(f"Skipped {len(reader.bad)} unreadable of {len(files)} files in {self.folder}.")
        return np.setdiff1d(np.arange(len(files)), reader.bad), ranges


@dataclass(frozen=True)
class _Reader:
    """Writes images to the rows of `out`, and collects the rows of unreadable files in `bad`."""

    folder: Path
    names: Sequence[str]
    image_shape: Shape
    out: NDArray[np.uint8]
    bad: list[int] = field(default_factory=list)

    def read(self, rows: Sequence[int], ranges: Mapping[str, Range]) -> dict[int, Seen]:
        """Write the images of these rows, and return the values of those whose kind `ranges` lacks."""
        deep = {}
        with progress(f"Reading {self.folder.name}", total=len(rows)) as advance:
            for row, result in zip(rows, self._results(rows, ranges), strict=True):
                if isinstance(result, Seen):
                    deep[row] = result
                elif isinstance(result, UnreadableError):
                    self.bad.append(row)
                    self._report(result)
                else:
                    self.out[row] = result
                advance(1)
        return deep

    def _results(self, rows: Sequence[int], ranges: Mapping[str, Range]) -> Iterator[Result]:
        """The result of each file, in order. Threads are of use because Pillow releases Python's lock."""
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for start in range(0, len(rows), BATCH):
                paths = [self.folder / self.names[row] for row in rows[start : start + BATCH]]
                yield from threads.map(partial(_result, self.image_shape, ranges), paths)

    def _report(self, error: UnreadableError) -> None:
        """Report an unreadable file, and refuse a folder with too many."""
        name, bad, count = self.names[self.bad[-1]], len(self.bad), len(self.names)
        if bad * 10 > count:
            raise InputError(
                f"More than a tenth of the {count} files looked at in {self.folder} can't be read ({bad} so far), the "
                f"last of them {name} ({str(error).rstrip('.')}): mend, replace or remove them."
            )
        if bad <= MOST_NAMED:
            say(f"Skipped {name}, which can't be read: {error}")


def _splits(files: Sequence[ImageFile], folder: Path) -> dict[Split, Rows]:
    rows = {split: [row for row, file in enumerate(files) if file.split == split] for split in SPLITS}
    given = {split: np.array(of_split) for split, of_split in rows.items() if of_split}
    return complete(given, [file.name for file in files], f"The folder {folder}")


def _labels(files: Sequence[ImageFile], folder: Path) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Each file's class and the names of the classes, if all files have a class and there are two or more."""
    classes = sorted({file.label for file in files if file.label is not None}, key=_numbers_first)
    unlabelled = [file for file in files if file.label is None]
    if classes and unlabelled:
        say(f"The sub-folders of {folder} don't count as labels, because {unlabelled[0].name} is in none.")
    if len(classes) < 2 or unlabelled:
        return None, ()
    number = {name: place for place, name in enumerate(classes)}
    return np.array([number[file.label] for file in files if file.label is not None], np.int64), tuple(classes)


def _numbers_first(name: str) -> tuple[bool, int, str]:
    """The sort key of class names: first numbers by value (1, 2, 10), then text."""
    return (False, int(name), name) if name.isdecimal() else (True, 0, name)


def _result(image_shape: Shape, ranges: Mapping[str, Range], path: Path) -> Result:
    try:
        with opened(path) as picture:
            if (seen := picture.seen) and seen.kind not in ranges:
                return seen
            return fit(picture.eight_bits(image_shape[0], ranges), image_shape, path)
    except UnreadableError as error:
        return error
