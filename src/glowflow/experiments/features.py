"""The quality of samples, judged by the features of a small classifier that is trained here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow import weights
from glowflow.config import RunConfig
from glowflow.data import Dataset, of_run
from glowflow.durable import load_json, save_json
from glowflow.experiments.kid import kid
from glowflow.images import quantize
from glowflow.order import shuffled
from glowflow.progress import progress
from glowflow.provenance import provenance
from glowflow.shapes import Shape

VERSION = 3
"""Raise this number when the classifier changes, so that one trained in another way isn't taken from the cache."""
TRAINING_IMAGES = 60_000
BATCH_SIZE = 64
LARGEST_RATE = 2e-3
NUM_FEATURES = 64
LEAST_SPREAD = 0.05
"""The smallest divisor of a feature, relative to the largest spread. A feature that is nearly constant stays small."""
HELD_OUT = 10
"""One in so many training images is kept from the classifier."""
MOST_IMAGES = 1_000
"""The most images that samples are compared with."""


class Classifier(nn.Module):
    """Four batch-normalised convolutions and a hidden layer. The activations of the hidden layer are the features.

    Features are standardised over training images, so that all have the same weight in KID's kernel.

    Args:
        image_shape: (C, H, W). If H or W is above 32, the first convolution halves both.
        num_outputs: The number of logits.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, image_shape: Shape, num_outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_convolution(image_shape[0], 32, stride=2 if max(image_shape[1:]) > 32 else 1),
            *_convolution(32, 64, stride=2),
            *_convolution(64, 64, stride=1),
            *_convolution(64, 128, stride=2),
            nn.AdaptiveAvgPool2d(8),
        )
        self.hidden = nn.Linear(128 * 8 * 8, NUM_FEATURES)
        self.head = nn.Linear(NUM_FEATURES, num_outputs)
        self.register_buffer("mean", torch.zeros(NUM_FEATURES))
        self.register_buffer("std", torch.ones(NUM_FEATURES))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, num_outputs) of images (B, C, H, W), uint8."""
        return self.head(self._activations(images))

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Standardised features (B, d) of images (B, C, H, W), uint8."""
        return torch.cat([(self._activations(part) - self.mean) / self.std for part in images.split(100)])

    @torch.no_grad()
    def standardize(self, images: Tensor) -> None:
        """Give the features of these images mean 0 and standard deviation 1, or less if one is nearly constant."""
        values = self.features(images)
        std = values.std(0)
        self.mean, self.std = values.mean(0), std.clamp(min=LEAST_SPREAD * std.max())

    def _activations(self, images: Tensor) -> Tensor:
        return F.relu(self.hidden(self.convolutions(images.float() / 255 - 0.5).flatten(1)))


def _convolution(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]


@dataclass(frozen=True)
class Judge:
    """Measures how far samples are from images.

    Attributes:
        classifier: The network whose features are compared.
        reference: Images (N, C, H, W), uint8, that samples should resemble.
        about: The kind of targets that the classifier learned, its accuracy, and a description of the reference.
    """

    classifier: Classifier
    reference: Tensor
    about: dict[str, Any]

    def kid(self, samples: Tensor) -> float:
        """KID between samples (N, C, H, W), uint8, and the reference."""
        return kid(self.classifier.features(samples), self.classifier.features(self.reference))


def judge_for(run: RunConfig, out: Path) -> Judge | None:
    """The judge of a training's samples. Its classifier is trained once and kept in `out`.

    Returns:
        The judge, or None if the data set has no labels, attributes or groups to classify.
    """
    data, shape, num_bits = run.train.data, run.model.image_shape, run.model.num_bits
    dataset = of_run(run, "train")
    if (wanted := targets(dataset)) is None:
        return None
    key = {"version": VERSION, "data": data, "image_shape": list(shape), "num_bits": num_bits}
    key |= {"value_range": list(run.train.value_range)} if run.train.value_range else {}
    unseen = Unseen(dataset, wanted, num_bits)
    reference, name = _reference(unseen, of_run(run, "validation"))
    path = out / f"classifier-{Path(data).stem}-{'x'.join(map(str, shape))}-{num_bits}bits"
    classifier, about = _kept(path, key, unseen)
    return Judge(classifier, reference, about | {"reference": name})


class Unseen:
    """Training images in two parts: the classifier sees the first and never the second.

    Args:
        dataset: The training images.
        wanted: Their `targets`.
        num_bits: The bits per value of the models whose samples are judged. Images are quantised to as many.
    """

    def __init__(self, dataset: Dataset, wanted: Tensor, num_bits: int) -> None:
        self.dataset, self.targets, self.num_bits = dataset, wanted, num_bits
        num_seen = len(dataset) - max(1, len(dataset) // HELD_OUT)
        self.seen, self.rest = range(num_seen), range(num_seen, len(dataset))

    def images(self, rows: Any) -> Tensor:  # noqa: ANN401 (a range or an array)
        """Some images, quantised."""
        return quantize(self.dataset.batch(rows)[0], self.num_bits)


def targets(dataset: Dataset) -> Tensor | None:
    """What a classifier learns: classes (N,), int64, from labels or groups, or attributes (N, A), float, or None."""
    if dataset.labels is None and dataset.attributes is not None:
        return torch.from_numpy(np.array(dataset.attributes)).float()
    column = dataset.groups if dataset.labels is None else dataset.labels
    return None if column is None else torch.from_numpy(np.unique(column, return_inverse=True)[1])


def loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """The cross-entropy of classes or attributes."""
    if wanted.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits, wanted)
    return F.cross_entropy(logits, wanted)


def accuracy(logits: Tensor, wanted: Tensor) -> float:
    """The share of classes or attributes that are right."""
    named = (logits > 0).float() if wanted.is_floating_point() else logits.argmax(1)
    return float((named == wanted).float().mean())


def _reference(training: Unseen, validation: Dataset) -> tuple[Tensor, str]:
    """Validation images, or unseen training images if all validation images are of other groups, such as scenes."""
    rest = training.images(training.rest[:MOST_IMAGES])
    groups = training.dataset.groups
    if validation.groups is not None and groups is not None and not np.isin(validation.groups, groups).any():
        return rest, "training images that the classifier hasn't seen, since validation images are of other scenes"
    rows = range(min(len(validation), MOST_IMAGES))
    return quantize(validation.batch(rows)[0], training.num_bits), "validation images"


def _kept(path: Path, key: dict[str, Any], training: Unseen) -> tuple[Classifier, dict[str, Any]]:
    about, tensors = path.with_suffix(".json"), path.with_suffix(".safetensors")
    classifier = _new(training)
    if about.exists() and tensors.exists() and key.items() <= load_json(about).items():
        weights.assign(classifier, weights.load_tensors(tensors), tensors)
    else:
        _train(classifier, training)
        path.parent.mkdir(parents=True, exist_ok=True)
        weights.save_tensors(tensors, classifier.state_dict())
        save_json(about, key | _described(classifier, training) | provenance())
    return classifier.eval(), load_json(about)


def _new(training: Unseen) -> Classifier:
    wanted = training.targets
    num_outputs = wanted.shape[1] if wanted.is_floating_point() else int(wanted.max()) + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Classifier(training.dataset.image_shape, num_outputs)


def _train(classifier: Classifier, training: Unseen) -> None:
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=LARGEST_RATE)
    steps = -(-TRAINING_IMAGES // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps)
    with progress(f"Classifier of {training.dataset.name}", TRAINING_IMAGES) as advance:
        for position in range(0, TRAINING_IMAGES, BATCH_SIZE):
            rows = shuffled(0, position, BATCH_SIZE, len(training.seen))
            optimizer.zero_grad()
            loss(classifier(training.images(rows)), training.targets[rows]).backward()
            optimizer.step()
            schedule.step()
            advance(BATCH_SIZE)
    classifier.eval().standardize(training.images(training.seen[:MOST_IMAGES]))


@torch.no_grad()
def _described(classifier: Classifier, training: Unseen) -> dict[str, Any]:
    dataset, rest = training.dataset, training.rest
    logits = torch.cat([classifier(part) for part in training.images(rest).split(100)])
    kind = "labels" if dataset.labels is not None else "attributes" if dataset.attributes is not None else "groups"
    return {"classifies": kind, "accuracy": accuracy(logits, training.targets[rest.start :])}
