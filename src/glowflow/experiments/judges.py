"""The judge of a training's samples."""

from glowflow.config import RunConfig
from glowflow.data import of_run
from glowflow.judging import Judge
from glowflow.judging.real_images import RealImages
from glowflow.judging.task import Task

MOST_IMAGES = 1_000
"""The most images that samples are compared with."""


def judge_for(run: RunConfig) -> Judge:
    """The judge of a training's samples. It doesn't look at test images."""
    task = Task(of_run(run, "train"), run.model.num_bits)
    real = RealImages(task, of_run(run, "validation"))
    return Judge.of(task, real.compared(MOST_IMAGES), real.about)
