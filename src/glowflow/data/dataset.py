"""One split of a data set: memory-mapped images with their labels, attributes and names."""

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from glowflow.data.value_range import Range
from glowflow.errors import InputError, counted, in_a_row, listed, quoted_name
from glowflow.progress import say
from glowflow.shapes import Shape, shape_text

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
COLUMNS = ("labels", "attributes", "groups", "sources", "places")
"""What a data set may hold of each image, beside its pixels."""


@dataclass(frozen=True)
class Dataset:
    """One split of a data set: N images of one size. Its arrays are memory-mapped and must not be written to.

    >>> images = np.zeros((5, 8, 8, 3), np.uint8)
    >>> dataset = Dataset("mine", "train", images, labels=np.arange(5), class_names=tuple("abcde"))
    >>> images, labels = dataset.batch([0, 3])
    >>> images.shape, labels
    (torch.Size([2, 3, 8, 8]), tensor([0, 3]))
    >>> dataset
    Dataset(mine, train: 5 images 3x8x8, 5 classes)

    Attributes:
        name: the name of the data set.
        split: the name of the split, or "all" for images of several splits.
        images: uint8 (N, H, W, C).
        labels: int64 (N,), indices into `class_names`, or None.
        class_names: one name for each label.
        attributes: bool (N, A), or None.
        attribute_names: A names.
        groups: int64 (N,), the cluster (scene) of each image, or None if images are independent. The standard error of
            a mean over images must be computed over clusters.
        sources: bytes (N,), the name of each image, such as its file's (`os.fsencode`d), or None.
        places: int64 (N,), what the noise of each image in evaluations is a function of, or None if that is its row.
        value_ranges: the values that became black and white, for each kind of values of more than 8 bits.
        digest: the digest of images, labels and class names of all splits (`identity.digest_of`); empty if unknown.
    """

    name: str
    split: Split | Literal["all"]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    attributes: NDArray[np.bool_] | None = None
    attribute_names: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    sources: NDArray[np.bytes_] | None = None
    places: NDArray[np.int64] | None = None
    value_ranges: Mapping[str, Range] = field(default_factory=dict)
    digest: str = ""

    def __repr__(self) -> str:
        """One line: its name, its split, and what it holds."""
        held = [f"{counted(len(self), 'image')} {shape_text(self.image_shape)}"]
        for names, noun in ((self.class_names, "class"), (self.attribute_names, "attribute")):
            held += [counted(len(names), noun)] if names else []
        return f"Dataset({self.name}, {self.split}: {', '.join(held)})"

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> "tuple[Tensor, int] | Tensor":
        """One image, uint8 (C, H, W), with its label if there are labels, for a `DataLoader`; `batch` gives several."""
        images, labels = self.batch([operator.index(index)])
        return images[0] if labels is None else (images[0], int(labels[0]))

    @property
    def title(self) -> str:
        """Its name and its split, in words."""
        return f"{self.name}, {'all images' if self.split == 'all' else f'{self.split} split'}"

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of every image."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> "tuple[Tensor, Tensor | None]":
        """The images at `indices`, uint8 (B, C, H, W) in channels-last memory, and their labels, int64 (B,), if any."""
        import torch  # noqa: PLC0415  listing and preparing data must not wait for torch

        where = np.asarray(indices, dtype=np.int64)
        images = torch.from_numpy(np.asarray(self.images)[where]).permute(0, 3, 1, 2)
        return images, None if self.labels is None else torch.from_numpy(np.asarray(self.labels)[where])

    def thinned(self, count: int) -> "Dataset":
        """At most `count` of the images: a random choice that is always the same."""
        return self.chosen(self.some(count))

    def some(self, count: int) -> NDArray[np.int64]:
        """The rows of at most `count` of the images, ascending: a random choice that is always the same."""
        return np.sort(np.random.default_rng(0).permutation(len(self))[:count])

    def chosen(self, rows: NDArray[np.int64]) -> "Dataset":
        """The images at some rows, with all other columns."""
        columns = {name: getattr(self, name) for name in ("images", *COLUMNS)}
        return replace(self, **{name: column[rows] for name, column in columns.items() if column is not None})

    def with_noise_by_content(self) -> "Dataset":
        """The same images. Their noise in evaluations is a function of what they show, wherever they stand."""
        digests = (blake2b(image.tobytes(), digest_size=6).digest() for image in self.images)
        places = np.fromiter((int.from_bytes(each, "big") for each in digests), np.int64)
        return replace(self, places=places)

    def with_classes(self, names: Sequence[str]) -> "Dataset":
        """The data set with its labels as indices into a model's class names; unchanged for a model without classes.

        Classes are matched by name, in any order. Names that are numbers match if the numbers are equal ("07" and "7").
        Classes are matched by position, and a line says so, if the model's names are just the numbers from 0 on, the
        data has as many classes, and none of their names is a number.

        Raises:
            InputError: If the data has no labels, or a class that the model doesn't have.
        """
        if not names:
            return self
        if self.labels is None:
            raise InputError(f"{self.name} has no labels, which a class-conditional model needs.")
        if tuple(names) == self.class_names:
            return self
        are_only_numbers = list(names) == [str(index) for index in range(len(self.class_names))]
        if are_only_numbers and not any(name.isdecimal() for name in self.class_names):
            matched = [f"{quoted_name(mine)} is {its}" for mine, its in zip(self.class_names, names, strict=True)]
            pairs = in_a_row(matched, most=3)
            say(f"The model's classes have only numbers, and those of {self.name} are matched by position: {pairs}.")
            return replace(self, class_names=tuple(names))
        places = self._places_among(names)
        return replace(self, labels=places[np.asarray(self.labels)], class_names=tuple(names))

    def _places_among(self, names: Sequence[str]) -> NDArray[np.int64]:
        """The position of each of the data's classes among the model's."""
        places = {_plain(other): place for place, other in enumerate(names)}
        places |= {other: place for place, other in enumerate(names)}
        found = [places.get(name, places.get(_plain(name), -1)) for name in self.class_names]
        if -1 in found:
            raise InputError(
                f"{self.name} has the class {self.class_names[found.index(-1)]}, which the model doesn't have; the "
                f"model's are {listed(names)}."
            )
        return np.array(found)

    def describe(self, index: int) -> str:
        """The name of one image, such as that of its file, or else its index."""
        return str(index) if self.sources is None else os.fsdecode(bytes(self.sources[index]))


def _plain(name: str) -> str:
    """A name in the form that is compared: numbers by their values, and accents in one form of Unicode.

    macOS and Linux write accents in different forms.
    """
    return str(int(name)) if name.isdecimal() else normalize("NFC", name)
