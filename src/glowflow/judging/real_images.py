"""The real images that samples are compared with."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from glowflow.data import Dataset
from glowflow.images import quantize
from glowflow.judging.task import Task


@dataclass(frozen=True)
class RealImages:
    """Real images that samples are compared with, and other ones, which are compared in the same way.

    The first are images of a split that the model wasn't trained on. If all of these belong to other groups than the
    training images, as photographs of other scenes do, then no model could draw images like them. In this case they are
    training images. The other images are always training images. The classifier has seen neither.

    Attributes:
        task: The task of the classifier.
        dataset: The split.
    """

    task: Task
    dataset: Dataset

    @property
    def are_of_other_groups(self) -> bool:
        """True if all images of the split are in groups, and none of these has training images.

        Data sets that are joined to others that have groups have one group for each image. These count as none.
        """
        groups, known = self.dataset.groups, self.task.dataset.groups
        if groups is None or known is None or np.isin(groups, known).any():
            return False
        return bool((np.unique(groups, return_counts=True)[1] > 1).all())

    @property
    def most(self) -> int:
        """The largest number of images of each kind."""
        rest = len(self.task.rest)
        return rest // 2 if self.are_of_other_groups else min(len(self.dataset), rest)

    def compared(self, num: int) -> Tensor:
        """The images (N, C, H, W), uint8, that samples are compared with: `num`, or fewer if there aren't as many."""
        if self.are_of_other_groups:
            return self.task.images(self.task.rest[:num])
        return quantize(self.dataset.batch(self.dataset.some(num))[0], self.task.num_bits)

    def others(self, num: int) -> Tensor:
        """Other images (num, C, H, W), uint8, if `num` is at most `most`."""
        return self.task.images(self.task.rest[-num:])

    @property
    def about(self) -> str:
        """What samples are compared with."""
        if not self.are_of_other_groups:
            return f"{self.dataset.split} images"
        why = f"{self.dataset.split} images show other scenes"
        return f"training images, because {why}; the model has seen them, and the classifier hasn't"
