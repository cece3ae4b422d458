"""Writing a reading into the cache, a block of images at a time. An interrupted build goes on where it was."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from itertools import islice
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.data.cache import Builder, Names
from glowflow.data.dataset import SPLITS, Split
from glowflow.data.image_file import MODES, UnreadableError, opened
from glowflow.data.published.fitting import Fit
from glowflow.data.published.reading import Images, Item, Part, Reading
from glowflow.data.published.title import title
from glowflow.data.splits import Rows, hold_out
from glowflow.data.value_range import WHOLE_RANGES, Range, described
from glowflow.errors import InputError
from glowflow.progress import progress, say
from glowflow.shapes import Shape, shape_text

BLOCK_BYTES = 2**24
"""About the number of bytes of images in memory at a time. An interruption can lose as many."""
TASK = 32
"""The number of images that a thread gets at a time."""
MOST_HELD_OUT = 10_000
"""About the number of images held out for a split that isn't published, or a tenth of the training images if fewer."""

Columns = Mapping[str, np.memmap[Any, Any]]
Block = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Form:
    """The form that the images get.

    Attributes:
        image_shape: (C, H, W).
        fit: the function that gives an image this shape.
        native: (height, width) that each published image must have; None for any.
        value_ranges: the values that become black and white, for each kind of values of more than 8 bits.
    """

    image_shape: Shape
    fit: Fit
    native: tuple[int, int] | None = None
    value_ranges: Mapping[str, Range] = field(default_factory=lambda: WHOLE_RANGES)


def build(builder: Builder, reading: Reading, form: Form, name: str, num_images: Mapping[Split, int] = {}) -> Names:
    """Write all splits of a reading; InputError if an image is broken or too small, or has an unknown class.

    Differences from the published data set, whose splits have `num_images`, are reported first.
    """
    whole_name = title(name, reading, num_images)
    writer = _Writer(builder, reading, form)
    outputs = {split: writer.outputs(split) for split in reading.parts}
    done = builder.scratch("done", (len(outputs),), np.int64)
    total = sum(map(len, reading.parts.values()))
    with (
        ThreadPoolExecutor(os.cpu_count()) as threads,
        progress(f"Preparing {name}", total, done=int(done.sum())) as advance,
    ):
        for number, (split, part) in enumerate(reading.parts.items()):
            for count in writer.write(part, outputs[split], done[number : number + 1], threads):
                done.flush()
                advance(count)
    names = writer.finish([output for of_part in outputs.values() for output in of_part])
    if ranges := dict(writer.ranges_used):
        say(f"{name} has {described(ranges)}; --value-range LOW,HIGH sets other limits.")
    return replace(names, title=whole_name, value_ranges=ranges)


def divided(reading: Reading, split: Split) -> dict[Split, Rows]:
    """The rows of a published split that each split takes: all, or a part if some are held out of "train"."""
    part = reading.parts[split]
    missing = [other for other in SPLITS if other not in reading.parts] if split == "train" else []
    if missing and len(part) > len(missing):
        return hold_out(part.each_key(), missing, MOST_HELD_OUT)
    return {split: np.arange(len(part)), **dict.fromkeys(missing, np.empty(0, np.int64))}


@dataclass(frozen=True)
class _Output:
    """A split being written: the rows of a part that it takes, ascending, and its columns."""

    split: Split
    rows: Rows
    columns: Columns

    def write(self, start: int, block: Block) -> None:
        """Write the split's rows of a block, which begins at row `start` of the part."""
        first, last = np.searchsorted(self.rows, [start, start + len(block["images"])])
        for name, column in self.columns.items():
            column[first:last] = block[name][self.rows[first:last] - start]
            column.flush()


@dataclass(frozen=True)
class _Writer:
    builder: Builder
    reading: Reading
    form: Form
    ranges_used: dict[str, Range] = field(default_factory=dict)

    def outputs(self, split: Split) -> list[_Output]:
        """The splits that a published split is written to: itself, and those held out of the training split."""
        part, rows = self.reading.parts[split], divided(self.reading, split)
        width = max((len(os.fsencode(key)) for key in part.each_key()), default=1) if self.reading.named else 0
        return [_Output(to, taken, self.columns(to, len(taken), width)) for to, taken in rows.items()]

    def columns(self, split: Split, count: int, key_width: int) -> Columns:
        """The columns of a split. Labels are kept apart until all are known."""
        create, (channels, height, width) = partial(self.builder.create, split), self.form.image_shape
        columns = {"images": create("images", (count, height, width, channels), np.uint8)}
        if self.reading.class_names is not None:
            columns["labels"] = self.builder.scratch(f"labels-{split}", (count,), np.int64)
        if names := self.reading.attribute_names:
            columns["attributes"] = create("attributes", (count, len(names)), np.bool_)
        if self.reading.grouped:
            columns["groups"] = create("groups", (count,), np.int64)
        if key_width:
            columns["sources"] = create("sources", (count,), f"S{key_width}")
        return columns

    def write(
        self, part: Part, outputs: Sequence[_Output], done: NDArray[np.int64], threads: Executor
    ) -> Iterator[int]:
        """Write the rest of a part, a block at a time. Count images in `done`, and yield their number in each block."""
        items, size = part.items(int(done[0])), _block_size(self.form.image_shape)
        while taken := list(islice(items, size)):
            block = self.block(taken, threads)
            for output in outputs:
                output.write(int(done[0]), block)
            done += len(taken)
            yield len(taken)
        if done[0] != len(part):
            raise InputError(f"The files changed while they were read: of {len(part)} images, {done[0]} are left.")

    def block(self, items: Sequence[Item], threads: Executor) -> Block:
        """The columns of some images. Threads are of use because Pillow releases Python's lock."""
        tasks = (items[first : first + TASK] for first in range(0, len(items), TASK))
        images = threads.map(lambda task: np.stack([self.fitted(item) for item in task]), tasks)
        return {
            "images": np.concatenate(list(images)),
            "labels": np.array([self.label(item) for item in items]),
            "attributes": np.array([self.attributes(item) for item in items], np.bool_),
            "groups": np.array([item.group for item in items]),
            "sources": np.array([os.fsencode(item.key) for item in items]),
        }

    def fitted(self, item: Item) -> Images:
        """The image at its shape, (H, W, C)."""
        channels, height, width = self.form.image_shape
        if isinstance(item.picture, np.ndarray) and item.picture.shape == (height, width, channels):
            return item.picture  # every fit would give the same
        if isinstance(item.picture, np.ndarray):
            return self.brought(_as_image(item.picture, channels), item)
        try:
            with opened(BytesIO(item.picture) if isinstance(item.picture, bytes) else item.picture) as picture:
                if seen := picture.seen:
                    self.ranges_used[seen.kind] = self.form.value_ranges[seen.kind]
                return self.brought(picture.eight_bits(channels, self.form.value_ranges), item)
        except UnreadableError as error:
            raise InputError(f"{item.where} can't be read as an image ({error}): get it again.") from error

    def brought(self, image: Image.Image, item: Item) -> Images:
        """An image of the right number of channels at its shape."""
        if self.form.native not in {None, (image.height, image.width)}:
            wanted = shape_text(self.form.native or ())
            raise InputError(f"{item.where} has {image.height}x{image.width} pixels: here each image has {wanted}.")
        return self.form.fit(image, self.form.image_shape, item)

    def label(self, item: Item) -> int:
        """The item's label; -1 if it's kept secret."""
        names = self.reading.class_names
        if item.label is None:
            return -1
        if item.label < 0 or (names and item.label >= len(names)):
            possible = f"there are {len(names)} classes" if names else "it should be at least 0"
            raise InputError(f"{item.where} has label {item.label}: {possible}.")
        return item.label

    def attributes(self, item: Item) -> Sequence[bool] | NDArray[np.bool_]:
        """The item's attributes."""
        found, wanted = len(item.attributes), len(self.reading.attribute_names)
        if found != wanted:
            raise InputError(f"{item.where} has {found} attributes: here each image has {wanted}.")
        return item.attributes

    def finish(self, outputs: Sequence[_Output]) -> Names:
        """Keep the labels of each split that has them, unless there is only one class."""
        classes, attributes = self.reading.class_names, self.reading.attribute_names
        if classes == ():
            most = max(int(output.columns["labels"].max(initial=0)) for output in outputs)
            classes = tuple(str(label) for label in range(most + 1))
        if classes is None or len(classes) < 2:
            return Names(attributes=attributes)
        for output in outputs:
            labels = output.columns["labels"]
            self.builder.save(output.split, labels=labels if labels.min(initial=0) >= 0 else None)
        return Names(classes, attributes)


def _block_size(image_shape: Shape) -> int:
    """The number of images in a block."""
    return max(TASK, BLOCK_BYTES // prod(image_shape))


def _as_image(pixels: Images, channels: int) -> Image.Image:
    grey_or_colour = pixels[..., 0] if pixels.shape[2:] == (1,) else pixels
    return Image.fromarray(grey_or_colour).convert(MODES[channels])
