"""What a classifier learns: the labels or attributes of training images, or how the images are turned."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from glowflow.data import Dataset
from glowflow.data.identity import by_name
from glowflow.images import quantize
from glowflow.order import shuffled

HELD_OUT = 10
"""One in so many training images is kept from the classifier, up to a largest number."""
MOST_HELD_OUT = 10_000
TURNS = 4


@dataclass(frozen=True)
class Task:
    """Training images with targets. The classifier sees one part of them and never the rest.

    Attributes:
        dataset: The training images.
        num_bits: The bits per value of the models whose samples are judged. Images are quantised to as many.
    """

    dataset: Dataset
    num_bits: int

    @property
    def seen(self) -> NDArray[np.int64]:
        """The rows that the classifier sees, in random order."""
        return self._order[self._num_held_out :]

    @property
    def rest(self) -> NDArray[np.int64]:
        """The other rows, in random order."""
        return self._order[: self._num_held_out]

    @property
    def kept(self) -> str:
        """A description of the images that the classifier wasn't trained on.

        Patches of one photograph overlap, so an accuracy that is measured on them is too high.
        """
        kept = "training images that were kept from it"
        return kept if self.dataset.groups is None else f"{kept}, which show scenes that it has seen"

    @cached_property
    def kind(self) -> Literal["labels", "attributes", "rotations"]:
        """What the targets are."""
        if self.dataset.labels is not None and len(np.unique(self.dataset.labels)) > 1:
            return "labels"
        return "rotations" if self.dataset.attributes is None else "attributes"

    @cached_property
    def num_outputs(self) -> int:
        """The number of attributes, classes or rotations."""
        if self.kind == "rotations":
            return TURNS
        return self._targets.shape[1] if self.kind == "attributes" else int(self._targets.max()) + 1

    def images(self, rows: NDArray[np.int64]) -> Tensor:
        """Some images (B, C, H, W), uint8, quantised."""
        return quantize(self.dataset.batch(rows)[0], self.num_bits)

    def examples(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Some images, and their targets: classes (B,), int64, or attributes (B, A), float."""
        images = self.images(rows)
        return turned(images) if self.kind == "rotations" else (images, self._targets[rows])

    @cached_property
    def _targets(self) -> Tensor:
        if self.kind == "attributes":
            return torch.from_numpy(np.array(self.dataset.attributes)).float()
        labels = by_name(np.asarray(self.dataset.labels), self.dataset.class_names)
        return torch.from_numpy(np.unique(labels, return_inverse=True)[1])

    @property
    def _num_held_out(self) -> int:
        return min(max(1, len(self.dataset) // HELD_OUT), MOST_HELD_OUT)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return shuffled(0, 0, len(self.dataset), len(self.dataset))


def turned(images: Tensor) -> tuple[Tensor, Tensor]:
    """The central squares of images, each turned by a quarter turn more than the one before, and the turns (B,).

    To tell how an image is turned, a network has to know what it shows. Gidaris et al. 2018.
    """
    _, _, height, width = images.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    squares = images[:, :, top : top + side, left : left + side]
    turns = torch.arange(len(images)) % TURNS
    return torch.stack([s.rot90(turn, (1, 2)) for s, turn in zip(squares, turns.tolist(), strict=True)]), turns


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of classes or attributes."""
    if targets.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits, targets)
    return F.cross_entropy(logits, targets)


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of classes or attributes that are right."""
    named = (logits > 0).float() if targets.is_floating_point() else logits.argmax(1)
    return (named == targets).float().mean()
