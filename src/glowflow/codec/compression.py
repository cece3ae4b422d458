"""Images as bytes that a model makes small, and back."""

from struct import Struct, error
from zlib import crc32

from torch import Tensor

from glowflow.codec.block import Way, packed, unpacked
from glowflow.codec.digest import SIZE
from glowflow.codec.integer_model import IntegerModel
from glowflow.errors import InputError
from glowflow.images import Array, as_tensor
from glowflow.model import Glow

MAGIC = b"glowcode1"
HEADER = Struct(f"<{len(MAGIC)}s{SIZE}sIHHI")
"""Magic, digest of the model's integer form, number of images, and the way of the block."""
CHECKSUM = Struct("<I")
"""The checksum of everything else. It stands between the header and the images."""


def compress(model: Glow | IntegerModel, images: Array) -> bytes:
    """Images as bytes, from which `decompress` gets exactly the same images back, with the same model.

    The more likely the images are under the model, the fewer bytes they take: about as many as `Glow.bits_per_dim`
    says. The first ones take more, about as many as in a PNG file. So do images that are nothing like the training
    images. The images come back on any machine.

    Args:
        model: A model with uniform dequantisation, whose networks are convolutions. It may have classes; labels aren't
            needed. Its integer form, `IntegerModel(model)`, saves time if there are several calls.
        images: uint8 (N, C, H, W), of the model's shape. If it has n < 8 bits, the values are multiples of 2^(8 - n).

    Raises:
        InputError: If the model can't code images, if these aren't images of such a model, or if they are more than fit
            into one block: 2^30 values.

    >>> import torch
    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig(image_shape=(1, 4, 4), levels=1, steps=1, width=8))
    >>> images = torch.arange(32, dtype=torch.uint8).view(2, 1, 4, 4)
    >>> torch.equal(decompress(model, compress(model, images)), images)
    True
    """
    integers = _integers(model)
    images = as_tensor(images)
    way = Way.of(len(images), integers.config.num_dims)
    header, block = HEADER.pack(MAGIC, integers.digest, len(images), *way), packed(integers, images, way)
    return header + CHECKSUM.pack(crc32(block, crc32(header))) + block


def decompress(model: Glow | IntegerModel, data: bytes) -> Tensor:
    """The images, uint8 (N, C, H, W), of which `compress` has made these bytes with the same model.

    Raises:
        InputError: If the model is another one, or if the bytes are damaged.

    >>> import torch
    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig(image_shape=(1, 4, 4), levels=1, steps=1, width=8))
    >>> decompress(model, compress(model, torch.zeros(3, 1, 4, 4, dtype=torch.uint8))).shape
    torch.Size([3, 1, 4, 4])
    """
    integers = _integers(model)
    try:
        magic, made_with, count, *way = HEADER.unpack_from(data)
        (checksum,) = CHECKSUM.unpack_from(data, HEADER.size)
    except error:
        raise InputError(f"{len(data)} bytes can't be compressed images: they are too few for the header.") from None
    header, block = data[: HEADER.size], data[HEADER.size + CHECKSUM.size :]
    if magic != MAGIC:
        raise InputError("These bytes aren't images that this version of glowflow has compressed.")
    if checksum != crc32(block, crc32(header)):
        raise InputError("The compressed images are damaged: their checksum differs.")
    if made_with != integers.digest:
        raise InputError(
            f"The images were compressed with another model, of digest {made_with.hex()}; this one's is "
            f"{integers.digest.hex()}."
        )
    return unpacked(integers, block, count, Way(*way))[0]


def _integers(model: Glow | IntegerModel) -> IntegerModel:
    return model if isinstance(model, IntegerModel) else IntegerModel(model)
