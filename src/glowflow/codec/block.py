"""A block: several images on one stream, as bytes."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from glowflow.codec.form import row
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.scaling import OutOfRangeError
from glowflow.codec.stream import Integers, Stream
from glowflow.errors import InputError, counted

MOST_TOGETHER, FEWEST_GROUPS = 16, 1024
LANES_PER_IMAGE, MOST_LANES = 128, 1024


class Way(NamedTuple):
    """How the images of a block are put on its stream. It belongs to the format: other numbers give other bytes."""

    together: int
    """How many images go through the model at a time. Each of the first ones borrows bits, some kilobytes."""
    lanes: int
    """How many lanes the stream has; each takes four bytes."""

    @classmethod
    def of(cls, count: int) -> "Way":
        """A good way for a number of images: more at a time take less time, and fewer take less space."""
        together = min(max(count // FEWEST_GROUPS, 1), MOST_TOGETHER)
        return cls(together, min(LANES_PER_IMAGE * together, MOST_LANES))

    def check(self) -> None:
        """Raise an InputError for numbers that no block has."""
        if not (1 <= self.together <= MOST_TOGETHER and 1 <= self.lanes <= MOST_LANES):
            raise InputError(f"A block can't have {self.together} images at a time and {self.lanes} lanes.")

    def sizes(self, count: int) -> list[int]:
        """How many images each group of a block has."""
        return [min(self.together, count - start) for start in range(0, count, self.together)]


def packed(model: IntegerModel, images: Tensor, way: Way) -> bytes:
    """The bytes of a block with these images, uint8 (N, C, H, W): a bit for each group, and the stream.

    The bit is 1 if the group stands there without the model, where each value takes as many bits as it has. This is so
    if numbers become too large for the integer form, or if the group would take more bits with the model. All groups do
    if the block would be longer with the model, because of what the first ones borrow.
    """
    groups = model.levels_of(images).split(way.sizes(len(images)))
    return min((_packed(model, groups, way.lanes, plain=plain) for plain in (False, True)), key=len)


def unpacked(model: IntegerModel, data: bytes, count: int, way: Way) -> Tensor:
    """The images, uint8 (count, C, H, W), of which `packed` has made these bytes.

    Raises:
        InputError: If the bytes are too few or too many, or aren't those of such a block.
    """
    way.check()
    flags = ceil(ceil(count / way.together) / 8)
    if flags > len(data):
        raise InputError(f"The compressed images are damaged: {len(data)} bytes can't hold {counted(count, 'image')}.")
    stream = Stream.from_bytes(data[flags:], way.lanes)
    plain = np.unpackbits(np.frombuffer(data[:flags], np.uint8))
    groups = [torch.empty(0, *model.config.image_shape, dtype=torch.int64)]
    for size, is_plain in reversed(list(zip(way.sizes(count), plain, strict=False))):
        groups.append(_pop_plain(model, size, stream) if is_plain else model.pop(size, stream))
    if not stream.is_initial():
        raise InputError("The compressed images are damaged: something is left over.")
    return model.images_of(torch.cat(groups[::-1]))


def _packed(model: IntegerModel, groups: Sequence[Tensor], lanes: int, *, plain: bool) -> bytes:
    """The block with each group as it takes fewer bits, or with all groups plain."""
    stream, flags = Stream(lanes), []
    for group in groups:
        with_model = None if plain else _with_model(model, group, stream)
        flags.append(with_model is None)
        if with_model is None:
            _push_plain(row(group), model.num_levels, stream)
        else:
            stream = with_model
    return np.packbits(np.array(flags, bool)).tobytes() + stream.to_bytes()


def _with_model(model: IntegerModel, group: Tensor, stream: Stream) -> Stream | None:
    """The stream with a group on it; None if it would take fewer bits without the model, or can't be coded by it."""
    longer = stream.copy()
    try:
        model.push(group, longer)
    except OutOfRangeError:
        return None
    return longer if longer.whole_bits - stream.whole_bits <= group.numel() * model.config.num_bits else None


def _push_plain(levels: Integers, base: int, stream: Stream) -> None:
    for part in stream.rows(len(levels)):
        stream.push(levels[part], base)


def _pop_plain(model: IntegerModel, count: int, stream: Stream) -> Tensor:
    """The levels of `count` images."""
    levels = np.empty((count, *model.config.image_shape), np.int64)
    numbers = levels.reshape(-1)
    for part in list(stream.rows(len(numbers)))[::-1]:
        numbers[part] = stream.pop(model.num_levels, len(numbers[part]))
    return torch.from_numpy(levels)
