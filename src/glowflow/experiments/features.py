"""Features of images that a sample's quality is judged by: those of a small classifier, trained here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow import weights
from glowflow.config import RunConfig, Shape
from glowflow.data import Dataset, of_run
from glowflow.durable import load_json, save_json
from glowflow.experiments.kid import kid
from glowflow.images import quantize
from glowflow.order import shuffled
from glowflow.progress import progress
from glowflow.provenance import provenance

VERSION = 3
"""To be raised whenever the classifier changes, so that none is taken from the cache that was trained otherwise."""
TRAINING_IMAGES = 60_000
BATCH_SIZE = 64
LARGEST_RATE = 2e-3
NUM_FEATURES = 64
LEAST_SPREAD = 0.05
"""Of a feature, by the largest one's; those that hardly ever differ from 0 would be blown up out of proportion."""
HELD_OUT = 10
"""One in so many training images is kept from the classifier."""
MOST_IMAGES = 1_000
"""At most so many images are compared with samples."""


class Classifier(nn.Module):
    """Four convolutions, each batch-normalised, and a hidden layer, whose activations are the features.

    Features are standardised over training images, so that each counts alike in KID's kernel.

    Args:
        image_shape: (C, H, W); where H or W is above 32, the first convolution halves them.
        num_outputs: Logits.
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
        """Let the features of these images have mean 0 and standard deviation 1, or less where they hardly differ."""
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
    """Tells how far samples are from images.

    Attributes:
        classifier: Its features are compared.
        reference: Images (N, C, H, W), uint8, that samples should be like.
        about: What the classifier names, how well, and what the reference is.
    """

    classifier: Classifier
    reference: Tensor
    about: dict[str, Any]

    def kid(self, samples: Tensor) -> float:
        """KID between samples (N, C, H, W), uint8, and the reference."""
        return kid(self.classifier.features(samples), self.classifier.features(self.reference))


def judge_for(run: RunConfig, out: Path) -> Judge | None:
    """The judge of a training's samples, its classifier trained at first and then kept in `out`.

    None where the data set has nothing to classify: no labels, no attributes, no groups.
    """
    data, shape, num_bits = run.train.data, run.model.image_shape, run.model.num_bits
    dataset = of_run(run, "train")
    if targets(dataset) is None:
        return None
    key = {"version": VERSION, "data": data, "image_shape": list(shape), "num_bits": num_bits}
    key |= {"value_range": list(run.train.value_range)} if run.train.value_range else {}
    unseen = Unseen(dataset, num_bits)
    reference, name = _reference(unseen, of_run(run, "validation"))
    path = out / f"classifier-{Path(data).stem}-{'x'.join(map(str, shape))}-{num_bits}bits"
    classifier, about = _kept(path, key, unseen)
    return Judge(classifier, reference, about | {"reference": name})


class Unseen:
    """A training split in two parts, the second of which is kept from the classifier.

    Args:
        dataset: Training images with something to classify.
        num_bits: Of the models whose samples are judged; images are quantised alike.
    """

    def __init__(self, dataset: Dataset, num_bits: int) -> None:
        self.dataset, self.num_bits = dataset, num_bits
        self.num_seen = len(dataset) - max(1, len(dataset) // HELD_OUT)
        values = targets(dataset)
        assert values is not None  # noqa: S101  judge_for asked
        self.targets = values

    def images(self, rows: Any) -> Tensor:  # noqa: ANN401 (a range or an array)
        """Some images, quantised."""
        return quantize(self.dataset.batch(rows)[0], self.num_bits)

    @property
    def seen(self) -> range:
        """The rows that the classifier is trained on."""
        return range(self.num_seen)

    @property
    def rest(self) -> range:
        """The others."""
        return range(self.num_seen, len(self.dataset))


def targets(dataset: Dataset) -> Tensor | None:
    """What to tell images by: classes (N,), int64, from labels or groups; or attributes (N, A), float; None if none."""
    if dataset.labels is None and dataset.attributes is not None:
        return torch.from_numpy(np.array(dataset.attributes)).float()
    column = dataset.groups if dataset.labels is None else dataset.labels
    return None if column is None else torch.from_numpy(np.unique(column, return_inverse=True)[1])


def loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy with classes, or with each attribute."""
    if wanted.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits, wanted)
    return F.cross_entropy(logits, wanted)


def accuracy(logits: Tensor, wanted: Tensor) -> float:
    """Share of classes, or of attributes, that are named rightly."""
    named = (logits > 0).float() if wanted.is_floating_point() else logits.argmax(1)
    return float((named == wanted).float().mean())


def _reference(training: Unseen, validation: Dataset) -> tuple[Tensor, str]:
    """Validation images; or where these are of other groups (scenes), training images the classifier hasn't seen."""
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
            rows = shuffled(0, position, BATCH_SIZE, training.num_seen)
            optimizer.zero_grad()
            loss(classifier(training.images(rows)), training.targets[rows]).backward()
            optimizer.step()
            schedule.step()
            advance(BATCH_SIZE)
    classifier.eval().standardize(training.images(training.seen[:MOST_IMAGES]))


@torch.no_grad()
def _described(classifier: Classifier, training: Unseen) -> dict[str, Any]:
    images, rest = training.images(training.rest), training.rest
    logits = torch.cat([classifier(part) for part in images.split(100)])
    dataset = training.dataset
    kind = "labels" if dataset.labels is not None else "attributes" if dataset.attributes is not None else "groups"
    return {"classifies": kind, "accuracy": accuracy(logits, training.targets[rest.start :])}
