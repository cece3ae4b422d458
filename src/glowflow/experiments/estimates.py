"""Estimates of how long trainings take on this machine, from a few steps of each."""

from collections.abc import Sequence
from statistics import median

import torch

from glowflow.bench.timing import Work, timed
from glowflow.bench.work import training as step
from glowflow.execution import Execution
from glowflow.experiments.definition import Training
from glowflow.training.record import SAMPLE_TEMPERATURES

PASS = 1 / 3
"""The time of a forward pass or of sampling, divided by that of a training step with as many images."""
SAMPLES_PER_VALIDATION = 20 * len(SAMPLE_TEMPERATURES)


def execution_of(training: Training) -> Execution:
    """How the steps of a training are computed."""
    return Execution(training.memory, torch.bfloat16 if training.precision == "bfloat16" else None)


def step_seconds(trainings: Sequence[Training], device: str, rounds: int = 2) -> list[list[float]]:
    """Seconds per image of a training step, in each round, for each training. An extra first round isn't counted."""
    works = [_work(training, device) for training in trainings]
    seconds = [[timed(work) for work in works] for _ in range(1 + rounds)][1:]
    sizes = [training.run.train.batch_size for training in trainings]
    return [[row[index] / size for row in seconds] for index, size in enumerate(sizes)]


def estimates(trainings: Sequence[Training], device: str, validations: int, num_samples: int) -> list[float]:
    """Minutes for each training. Trainings that differ only in seed or length are measured once."""
    kinds = {_kind(training): training for training in trainings}
    seconds = {kind: median(step_seconds([training], device)[0]) for kind, training in kinds.items()}
    return [seconds[_kind(each)] * _images(each, validations, num_samples) / 60 for each in trainings]


def _images(training: Training, validations: int, num_samples: int) -> float:
    """The images of a training and of its validations and samples, the latter as images that take as much time."""
    settings = training.run.train
    scored = settings.validation_images * (1 if settings.averaging is None else 2)
    return settings.images + PASS * (validations * (scored + SAMPLES_PER_VALIDATION) + num_samples)


def _kind(training: Training) -> str:
    settings = training.run.train
    return f"{training.run.model} {settings.batch_size} {settings.optimizer} {training.precision} {training.memory}"


def _work(training: Training, device: str) -> Work:
    shape = (training.run.train.batch_size, *training.run.model.image_shape)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device) - 0.5
    x = x.contiguous(memory_format=torch.channels_last)
    return step(training.run.model, execution_of(training), x, training.run.train)
