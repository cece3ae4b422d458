"""The training of a classifier. Each is trained once, and kept in the cache of prepared data."""

import json
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from glowflow import weights
from glowflow.data import cache_directory
from glowflow.data.identity import digest_of
from glowflow.errors import InputError
from glowflow.judging.classifier import Classifier
from glowflow.judging.task import Task, accuracy, loss
from glowflow.order import shuffled
from glowflow.progress import progress, say

VERSION = 4
"""Raise this number when the training changes, so that no classifier of an older training is used."""
TRAINING_IMAGES = 60_000
BATCH_SIZE = 64
LARGEST_RATE = 2e-3
MOST_STANDARDIZED = 1_000
"""The most images whose features are standardised."""


def classifier_for(task: Task) -> Classifier:
    """The classifier that was trained for a task. The same task always gives the same one. Training takes minutes."""
    path, classifier = _place(task), _new(task)
    if not _is_loaded(classifier, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _train(classifier, task)
        weights.save_tensors(path, classifier.state_dict())
    return classifier.eval()


def _is_loaded(classifier: Classifier, path: Path) -> bool:
    """True if the classifier has the weights of its file now. A damaged file is reported, since the cache can heal."""
    if not path.exists():
        return False
    try:
        weights.assign(classifier, weights.load_tensors(path), path)
    except InputError as error:
        say(f"{error} The classifier is trained again.")
        return False
    return True


def _place(task: Task) -> Path:
    """The file of a classifier. Its name is a digest of everything that the training depends on."""
    dataset = task.dataset
    images = dataset.digest or digest_of({"train": dataset}), len(dataset), dataset.attribute_names
    facts = VERSION, TRAINING_IMAGES, task.kind, task.num_bits, *images
    name = blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()
    return cache_directory() / "classifiers" / f"{name}.safetensors"


def _new(task: Task) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Classifier(task.dataset.image_shape, task.num_outputs)


def _train(classifier: Classifier, task: Task) -> None:
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=LARGEST_RATE)
    steps = -(-TRAINING_IMAGES // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps)
    with progress(f"Classifier of {task.dataset.name}", TRAINING_IMAGES) as advance:
        for position in range(0, TRAINING_IMAGES, BATCH_SIZE):
            images, targets = task.examples(task.seen[shuffled(0, position, BATCH_SIZE, len(task.seen))])
            optimizer.zero_grad()
            loss(classifier(images), targets).backward()
            optimizer.step()
            schedule.step()
            advance(BATCH_SIZE)
    classifier.eval().standardize(task.images(task.seen[:MOST_STANDARDIZED]))
    _measure(classifier, task)


@torch.no_grad()
def _measure(classifier: Classifier, task: Task) -> None:
    """Measure the accuracy on the images that the classifier hasn't seen."""
    parts = map(task.examples, np.split(task.rest, range(100, len(task.rest), 100)))
    logits, targets = map(torch.cat, zip(*((classifier(images), right) for images, right in parts), strict=True))
    classifier.accuracy = accuracy(logits, targets)
