"""How long trainings take on this machine: a few steps of each, measured in turn."""

from collections.abc import Sequence
from statistics import median

import torch

from glowflow.bench.timing import Work, timed
from glowflow.bench.work import training as step
from glowflow.execution import Execution
from glowflow.experiments.definition import Training
from glowflow.training.record import SAMPLE_TEMPERATURES

PASS = 1 / 3
"""A forward pass, or a sample, by the time of a training step for as many images."""
SAMPLES_PER_VALIDATION = 20 * len(SAMPLE_TEMPERATURES)


def execution_of(training: Training) -> Execution:
    """How its steps are computed."""
    return Execution(training.memory, torch.bfloat16 if training.precision == "bfloat16" else None)


def step_seconds(trainings: Sequence[Training], device: str, rounds: int = 2) -> list[list[float]]:
    """Seconds of one training step per image, in each round, for each training; a first round isn't counted."""
    works = [_work(training, device) for training in trainings]
    seconds = [[timed(work) for work in works] for _ in range(1 + rounds)][1:]
    sizes = [training.run.train.batch_size for training in trainings]
    return [[row[index] / size for row in seconds] for index, size in enumerate(sizes)]


def training_minutes(training: Training, seconds_per_image: float, validations: int, num_samples: int) -> float:
    """About how long it takes: its steps, its validations, and the samples drawn in the end."""
    settings = training.run.train
    scored = settings.validation_images * (1 if settings.averaging is None else 2)
    passes = validations * (scored + SAMPLES_PER_VALIDATION) + num_samples
    return (settings.images + PASS * passes) * seconds_per_image / 60


def estimates(trainings: Sequence[Training], device: str, validations: int, num_samples: int) -> list[float]:
    """Minutes for each training; those that differ in seed or length alone are measured once."""
    measured: dict[str, float] = {}
    for training in trainings:
        if _kind(training) not in measured:
            (seconds,) = step_seconds([training], device)
            measured[_kind(training)] = median(seconds)
    return [training_minutes(training, measured[_kind(training)], validations, num_samples) for training in trainings]


def _kind(training: Training) -> str:
    settings = training.run.train
    return f"{training.run.model} {settings.batch_size} {settings.optimizer} {training.precision} {training.memory}"


def _work(training: Training, device: str) -> Work:
    shape = (training.run.train.batch_size, *training.run.model.image_shape)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device) - 0.5
    x = x.contiguous(memory_format=torch.channels_last)
    return step(training.run.model, execution_of(training), x, training.run.train)
