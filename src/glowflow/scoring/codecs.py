"""Lossless compressors of images. The bits that they take tell how complex an image is, whatever a model knows."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from glowflow.errors import InputError
from glowflow.evaluate import Floats
from glowflow.threads import in_use

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Codec:
    """A compressor, at one fixed and fast effort.

    >>> plain, noisy = np.zeros((32, 32, 3), np.uint8), np.random.default_rng(0).bytes(32 * 32 * 3)
    >>> PNG.bits(plain) < 1000 < PNG.bits(np.frombuffer(noisy, np.uint8).reshape(32, 32, 3))
    True

    Attributes:
        name: The name of the format, as Pillow writes it.
        overhead: The bytes that every file has, whatever the image is.
        library: Pillow's name of the library.
        options: Pillow's options for writing.
        plugin: A module that teaches Pillow this format; empty if Pillow knows it.
    """

    name: str
    overhead: int
    library: str
    options: Mapping[str, object] = field(default_factory=dict)
    plugin: str = ""

    @property
    def is_installed(self) -> bool:
        """True if it can be used here."""
        return find_spec(self.plugin) is not None if self.plugin else bool(features.check(self.library))

    def bits(self, image: Pixels) -> int:
        """The bits of an image (H, W, C), without the overhead. The channels are stacked if there aren't 1 or 3."""
        if self.plugin:
            import_module(self.plugin)
        file = BytesIO()
        _picture(image).save(file, self.name, **self.options)
        return 8 * (len(file.getvalue()) - self.overhead)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The bits of a few fixed pictures. Two versions of a codec are the same if these are."""
        return tuple(map(self.bits, _fixed_pictures()))

    def __str__(self) -> str:
        """Its name and its version."""
        number = version(self.library) if self.plugin else features.version(self.library)
        return f"{self.name} ({self.library} {number})"


PNG = Codec("PNG", 57, "zlib", {"compress_level": 6})
"""Its overhead is the signature and the frames of three chunks."""
WEBP = Codec("WEBP", 20, "webp", {"lossless": True, "method": 2, "quality": 50})
"""Its overhead is the frame of a RIFF file with one chunk."""
JPEG_XL = Codec("JXL", 2, "pillow-jxl-plugin", {"lossless": True, "effort": 3}, "pillow_jxl")
"""Its overhead is the signature."""
ALL = (PNG, WEBP, JPEG_XL)


def standard() -> tuple[Codec, ...]:
    """The codec that a training makes its reference with.

    It's WebP, whose encoder comes inside Pillow's wheels, so other machines give the same sizes. Those of PNG depend on
    the machine's zlib, and few machines have JPEG XL.
    """
    return (WEBP,) if WEBP.is_installed else (PNG,)


def named(names: Sequence[str]) -> tuple[Codec, ...]:
    """The codecs with these names, such as webp.

    Raises:
        InputError: If there is no such codec, or it isn't installed.
    """
    known = {codec.name.lower(): codec for codec in ALL}
    for name in names:
        if name.lower() not in known:
            raise InputError(f"There is no compressor {name!r}; there are {', '.join(known)}.")
        if not known[name.lower()].is_installed:
            raise InputError(f"The compressor {name} needs {known[name.lower()].library}, which isn't installed.")
    return tuple(known[name] for name in dict.fromkeys(map(str.lower, names)))


def fewest_bits(images: Pixels, num_bits: int, codecs: Sequence[Codec]) -> Floats:
    """The bits/dim of each image (N,) by the codec that needs the fewest for it.

    >>> fewest_bits(np.zeros((2, 28, 28, 1), np.uint8), 8, [PNG, WEBP]) < 0.5
    array([ True,  True])

    Args:
        images: uint8 (N, H, W, C).
        num_bits: The upper bits of each value that count. The codecs get them as numbers from 0 on.
        codecs: At least one.
    """
    return begun(images, num_bits, codecs)()


def begun(images: Pixels, num_bits: int, codecs: Sequence[Codec], *, is_idle: bool = False) -> Callable[[], Floats]:
    """Begin what `fewest_bits` does, in the background, and return a function that waits for the result.

    There are as many threads as PyTorch computes with. If this is one, the work is done when the function is called,
    unless the processor is idle meanwhile.

    Args:
        images: As in `fewest_bits`.
        num_bits: As in `fewest_bits`.
        codecs: As in `fewest_bits`.
        is_idle: True if the model computes on another device.
    """
    levels, fewest = images >> (8 - num_bits), partial(_fewest, codecs=codecs)
    if in_use() == 1 and not is_idle:
        return lambda: np.array(list(map(fewest, levels)), np.float64)
    pool = ThreadPoolExecutor(in_use())
    found = pool.map(fewest, levels)
    pool.shutdown(wait=False)
    return lambda: np.array(list(found), np.float64)


def _fewest(image: Pixels, codecs: Sequence[Codec]) -> float:
    return min(codec.bits(image) for codec in codecs) / image.size


def _picture(image: Pixels) -> Image.Image:
    """An image (H, W, C) for a codec."""
    height, width, channels = image.shape
    grey = image.transpose(2, 0, 1).reshape(channels * height, width)
    return Image.fromarray(np.ascontiguousarray(image if channels == 3 else grey))


@cache
def _fixed_pictures() -> tuple[Pixels, ...]:
    """A smooth picture, one with few colours, and a noisy one, (32, 32, 3)."""
    across, down = np.meshgrid(np.arange(32), np.arange(32))
    smooth = np.stack([4 * across + down, 5 * down, 128 + across - down], axis=2).astype(np.uint8)
    blocks = (smooth // 48 * 48).astype(np.uint8)
    noisy = smooth ^ (across * across * 7 + down * down * 13 + across * down * 29)[:, :, None].astype(np.uint8) % 32
    return smooth, blocks, noisy
