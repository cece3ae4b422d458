"""The judge of a training's samples."""

import numpy as np
from torch import Tensor

from glowflow.config import RunConfig
from glowflow.data import Dataset, of_run
from glowflow.images import quantize
from glowflow.judging import Judge
from glowflow.judging.task import Task

MOST_IMAGES = 1_000
"""The most images that samples are compared with."""


def judge_for(run: RunConfig) -> Judge:
    """The judge of a training's samples. It doesn't look at test images."""
    task = Task(of_run(run, "train"), run.model.num_bits)
    return Judge.of(task, *_reference(task, of_run(run, "validation")))


def _reference(task: Task, validation: Dataset) -> tuple[Tensor, str]:
    """Validation images, or unseen training images if all validation images are of other groups, such as scenes."""
    groups = task.dataset.groups
    if validation.groups is not None and groups is not None and not np.isin(validation.groups, groups).any():
        unseen = "training images that the classifier hasn't seen, since validation images are of other scenes"
        return task.images(task.rest[:MOST_IMAGES]), unseen
    rows = range(min(len(validation), MOST_IMAGES))
    return quantize(validation.batch(rows)[0], task.num_bits), "validation images"
