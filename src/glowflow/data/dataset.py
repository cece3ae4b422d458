"""One split of a data set: memory-mapped images with whatever is known about them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from glowflow.config import Shape
from glowflow.data.value_range import Range
from glowflow.errors import InputError, listed

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """One split of a data set, N images of one size; its arrays are memory-mapped and must not be written to.

    Attributes:
        name: what the data set is called.
        split: which part of it this is.
        images: uint8 (N, H, W, C).
        labels: int64 (N,), indices into `class_names`, or None.
        class_names: one name for each label.
        attributes: bool (N, A), or None.
        attribute_names: A names.
        groups: int64 (N,), the cluster (scene) each image was taken from, or None when images are independent. Errors
            of a mean over images are to be computed over clusters.
        sources: bytes (N,), the file each image came from (`os.fsencode`d), or None.
        value_ranges: of files of more than 8 bits, the values that became black and white, by the kind of values.
        digest: of the images, labels and names of classes of all splits (`identity.digest_of`); empty if unknown.
    """

    name: str
    split: Split
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    attributes: NDArray[np.bool_] | None = None
    attribute_names: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    sources: NDArray[np.bytes_] | None = None
    value_ranges: Mapping[str, Range] = field(default_factory=dict)
    digest: str = ""

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of every image."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """The images at `indices`, uint8 (B, C, H, W) in channels-last memory, and their labels, int64 (B,), if any."""
        import torch  # noqa: PLC0415  listing and preparing data must not wait for torch

        where = np.asarray(indices, dtype=np.int64)
        images = torch.from_numpy(np.asarray(self.images)[where]).permute(0, 3, 1, 2)
        return images, None if self.labels is None else torch.from_numpy(np.asarray(self.labels)[where])

    def thinned(self, count: int) -> Dataset:
        """At most `count` of the images, at random but always the same."""
        chosen = np.sort(np.random.default_rng(0).permutation(len(self))[:count])
        columns = {name: getattr(self, name) for name in ("images", "labels", "attributes", "groups", "sources")}
        return replace(self, **{name: column[chosen] for name, column in columns.items() if column is not None})

    def with_classes(self, names: Sequence[str]) -> Dataset:
        """The data set with its labels as indices into a model's class names.

        Classes are matched by name, or, where the model's names are but numbers, by position.

        Raises:
            InputError: If it has no labels, or a class that the model doesn't have.
        """
        if self.labels is None:
            raise InputError(f"{self.name} has no labels, which a class-conditional model needs.")
        numbered = list(names) == [str(index) for index in range(len(names))]
        if tuple(names) == self.class_names or (numbered and len(names) == len(self.class_names)):
            return replace(self, class_names=tuple(names))
        for name in self.class_names:
            if name not in names:
                raise InputError(
                    f"{self.name} has the class {name}, which the model doesn't have; its are {listed(names)}."
                )
        positions = np.array([names.index(name) for name in self.class_names])
        return replace(self, labels=positions[np.asarray(self.labels)], class_names=tuple(names))

    def describe(self, index: int) -> str:
        """The name of one image: its file's where there is one, otherwise its index."""
        return str(index) if self.sources is None else os.fsdecode(bytes(self.sources[index]))
