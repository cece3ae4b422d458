"""A block: several images on one stream, as bytes."""

from collections.abc import Callable
from math import ceil, prod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glowflow.codec import prediction
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.prediction import Predicted
from glowflow.codec.scaling import OutOfRangeError
from glowflow.codec.stream import Stream
from glowflow.config import GlowConfig
from glowflow.errors import InputError, counted

MOST_TOGETHER, BEFORE = 16, 32
"""An image borrows about as many bits as a dozen others take. So a group has a 32nd of the images before it."""
FEWEST_LANES, MOST_LANES = 8, 1024
VALUES_PER_LANE = 4096
"""Each lane loses half of its own bytes. With this many values in each, the loss is small beside the images' bytes."""
LARGEST_BLOCK = 1 << 30
"""The most values of a block, so that it fits into memory: it takes two or three bytes for each value."""


class Way(NamedTuple):
    """How the images of a block are put on its stream. It belongs to the format: other numbers give other bytes."""

    together: int
    """How many images go through the model at a time, at most. They borrow their bits from those before them."""
    lanes: int
    """How many lanes the stream has; each takes four bytes."""
    content: int = 0
    """How many bytes the stream begins with."""

    @classmethod
    def of(cls, count: int, num_dims: int, content: int = 0) -> "Way":
        """A good way for a number of images: more at a time take less time."""
        together = min(max(count // BEFORE, 1), MOST_TOGETHER)
        lanes = max(count * num_dims // VALUES_PER_LANE, FEWEST_LANES)
        return cls(together, min(lanes, MOST_LANES), content)

    def check(self) -> None:
        """Raise an InputError for numbers that no block has."""
        if not (1 <= self.together <= MOST_TOGETHER and 1 <= self.lanes <= MOST_LANES):
            raise InputError(f"A block can't have {self.together} images at a time and {self.lanes} lanes.")

    def sizes(self, count: int) -> list[int]:
        """How many images each group of a block has: one at first, and more as soon as enough are before them.

        >>> Way(together=2, lanes=8).sizes(69)[-4:]
        [1, 2, 2, 1]
        """
        sizes, done = list[int](), 0
        while done < count:
            sizes.append(min(max(done // BEFORE, 1), self.together, count - done))
            done += sizes[-1]
        return sizes


def packed(
    model: IntegerModel,
    images: Tensor,
    way: Way,
    content: bytes = b"",
    advance: Callable[[int, int], None] = lambda images, length: None,
) -> bytes:
    """The bytes of a block with these images, uint8 (N, C, H, W): a bit for each group, and the stream.

    The bit is 1 if the group stands there without the model (`Predicted`). This is so if the stream is shorter then,
    or if numbers become too large for the integer form. The first groups would have to borrow many words for the model,
    so they mostly stand there without it, until the following ones have enough bits to begin with.

    Args:
        model: The model.
        images: The images.
        way: How they are put on the stream.
        content: What the stream begins with, `way.content` bytes. The first images use them, so they take up hardly
            any room.
        advance: Is called with numbers of images that are done, and with the length of the stream in bits.

    Raises:
        InputError: If these aren't images of such a model, or if they are too many for a block.
    """
    model.check(images)
    check_size(len(images), model.config.image_shape)
    stream, flags = Stream(way.lanes, content), []
    for group in images.split(way.sizes(len(images))):
        levels = model.levels_of(group)
        predicted, longer = Predicted(levels.numpy(), model.config.num_bits), _with_model(model, levels, stream)
        flags.append(longer is None or longer.length > stream.length + predicted.length)
        if longer is None or flags[-1]:
            predicted.push(stream)
        else:
            stream.adopt(longer)
        advance(len(group), stream.length)
    return np.packbits(np.array(flags, bool)).tobytes() + stream.to_bytes()


def unpacked(
    model: IntegerModel,
    data: bytes,
    count: int,
    way: Way,
    advance: Callable[[int], None] = lambda images: None,
) -> tuple[Tensor, bytes]:
    """The images, uint8 (count, C, H, W), and the content of which `packed` has made these bytes.

    Args:
        model: The model.
        data: The bytes.
        count: The number of images.
        way: How they were put on the stream.
        advance: Is called with numbers of images that are done.

    Raises:
        InputError: If the bytes are too few or too many, or aren't those of such a block.
    """
    shape, num_bits = model.config.image_shape, model.config.num_bits
    check_block(len(data), count, model.config, way)
    sizes, flags, stream = _opened(data, count, way)
    images, end = torch.empty(count, *shape, dtype=torch.uint8, device="cpu"), count
    for size, is_predicted in zip(sizes[::-1], flags[::-1], strict=True):
        levels = prediction.pop(size, shape, num_bits, stream) if is_predicted else model.pop(size, stream)
        images[end - size : end] = model.images_of(torch.as_tensor(levels, device="cpu"))
        end -= size
        advance(size)
    content = stream.initial_content(way.content)
    if content is None:
        raise InputError("The compressed images are damaged: something is left over.")
    return images, content


def check_block(length: int, count: int, config: GlowConfig, way: Way) -> None:
    """Raise an InputError if `packed` can't have made so many bytes of a number of images, or if these are too many."""
    way.check()
    check_size(count, config.image_shape)
    if length > 2 * count * config.num_dims + 8 * (count + way.lanes) + way.content:
        raise InputError(
            f"The compressed images are damaged: {counted(count, 'image')} of this model can't take {length:,} bytes."
        )


def check_size(count: int, shape: tuple[int, ...]) -> None:
    """Raise an InputError if a block can't have so many images of a shape."""
    if count * prod(shape) > LARGEST_BLOCK:
        raise InputError(
            f"A block can't have {counted(count, 'image')} of shape {tuple(shape)}: {LARGEST_BLOCK:,} values are the "
            "most."
        )


def _opened(data: bytes, count: int, way: Way) -> tuple[list[int], NDArray[np.uint8], Stream]:
    """The size of each group, its bit, and the stream."""
    sizes = way.sizes(min(count, 8 * len(data) * way.together + 1))  # so many can't have their bits here
    num_bytes = ceil(len(sizes) / 8)
    if num_bytes > len(data):
        raise InputError(f"The compressed images are damaged: {len(data)} bytes can't hold {counted(count, 'image')}.")
    flags = np.unpackbits(np.frombuffer(data[:num_bytes], np.uint8), count=len(sizes))
    return sizes, flags, Stream.from_bytes(memoryview(data)[num_bytes:], way.lanes)


def _with_model(model: IntegerModel, group: Tensor, stream: Stream) -> Stream | None:
    """The stream with a group on it; None if the model can't code the group."""
    longer = stream.fork()
    try:
        model.push(group, longer)
    except OutOfRangeError:
        return None
    return longer
