"""What an archive says about itself: how many files it has, and which model coded its images."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from glowflow.codec.block import LARGEST_BLOCK
from glowflow.codec.entries import UnlikeError
from glowflow.codec.integer_model import IntegerModel
from glowflow.errors import InputError, shown
from glowflow.shapes import shape_text

VERSION = 1
LONGEST_HEAD = 1 << 14
LONGEST_MODEL = 200
"""Letters of a model's name, at most."""


class Head(NamedTuple):
    """The first record of an archive."""

    files: int
    """How many there are."""
    model: str
    """What the user called the model."""
    image_shape: list[int]
    num_bits: int
    weights: str
    """Digest of its weights."""
    digest: str
    """Digest of its weights and of what its integer form computes."""

    @classmethod
    def of(cls, files: int, name: str, model: IntegerModel) -> "Head":
        """The head of an archive of so many files, and of a model that the user calls by a name."""
        shape, num_bits = list(model.config.image_shape), model.config.num_bits
        return cls(files, name[:LONGEST_MODEL], shape, num_bits, model.weights_digest.hex(), model.digest.hex())

    def packed(self) -> bytes:
        """The head as bytes."""
        return json.dumps({"version": VERSION, **self._asdict()}).encode()

    def with_files(self, files: int) -> bytes:
        """The head of fewer files, as just as many bytes as this one has."""
        return self._replace(files=files).packed().ljust(len(self.packed()))

    @classmethod
    def unpacked(cls, data: bytes) -> "Head":
        """The head of which `packed` has made these bytes.

        Raises:
            InputError: If a later version has made them, or if nothing like a head has.
        """
        try:
            found = json.loads(data[:LONGEST_HEAD])
        except (ValueError, RecursionError):
            raise UnlikeError("its head isn't JSON") from None
        version = found.get("version") if isinstance(found, dict) else None
        if type(version) is int and version > VERSION:
            raise InputError(f"The archive is of version {version}: it needs a newer version of glowflow.")
        values = [found.get(name) for name in cls._fields] if version == VERSION else []
        if not _is_head(values):
            raise UnlikeError("its head lacks something")
        return cls(*values)

    def __str__(self) -> str:
        """The model, in words."""
        return shown(f"{self.model}, {_images(self.image_shape, self.num_bits)}, digest {self.digest}")

    def check(self, model: IntegerModel) -> None:
        """Raise an InputError if the images were coded with another model, or by other computations."""
        if self.digest == model.digest.hex():
            return
        if self.weights == model.weights_digest.hex():
            raise InputError(
                f"The archive's images were coded with this model by another version of glowflow, which computed in "
                f"another way (digest {shown(self.digest)}; here it is {model.digest.hex()})."
            )
        raise other_model(str(self), model)


def other_model(needed: str, given: IntegerModel) -> InputError:
    """The error for images that were coded with another model than the given one."""
    return InputError(
        f"The archive's images need another model: {needed}. The model that you gave has "
        f"{_images(given.config.image_shape, given.config.num_bits)}, digest {given.digest.hex()}. A training that "
        "goes on replaces a run's best model, so perhaps it was replaced."
    )


def _images(shape: Sequence[int], num_bits: int) -> str:
    return f"images of shape {shape_text(shape)} and {num_bits} bits"


def _is_head(values: list[Any]) -> bool:
    """True for values of the right kinds."""
    if [type(value) for value in values] != [int, str, list, int, str, str]:
        return False
    files, model, shape, num_bits, *digests = values
    is_shape = [type(size) for size in shape] == [int] * 3 and all(1 <= size <= LARGEST_BLOCK for size in shape)
    is_named = len(model) <= LONGEST_MODEL and all(len(digest) <= LONGEST_MODEL for digest in digests)
    return 0 <= files < 1 << 63 and is_shape and 1 <= num_bits <= 8 and is_named
