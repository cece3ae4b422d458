"""How well a trained model's scores tell unusual images from the usual ones of its own kind."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from glowflow.config import RunConfig
from glowflow.data import Dataset, load, of_run
from glowflow.errors import InputError
from glowflow.evaluate import Floats
from glowflow.experiments import emoji
from glowflow.experiments.changes import CHANGES
from glowflow.experiments.results import Line
from glowflow.model import Glow
from glowflow.progress import say
from glowflow.scoring.codecs import PNG, WEBP
from glowflow.scoring.columns import unusualness
from glowflow.scoring.reference import MOST, Reference
from glowflow.scoring.separation import auroc
from glowflow.scoring.statistics import statistics

CODECS = (PNG, WEBP)
"""Compressors that everyone has."""
OF_A_KIND = 1000
"""The most unusual images of each kind."""
LEVEL = 0.05
"""Images with a lower p-value count as false alarms, if they are usual."""


def told_apart(model: Glow, run: RunConfig, against: Sequence[str]) -> Line:
    """The AUROC of each score, for test images against each kind of unusual ones, and the share of false alarms.

    What is usual is learned from validation images. Nothing is chosen by test images.

    Args:
        model: A trained model.
        run: Its training.
        against: The data sets that are unusual for it, beside changed test images.
    """
    validation, test = (of_run(run, name).with_classes(model.class_names) for name in ("validation", "test"))
    reference = Reference.of(statistics(model, validation.thinned(MOST), CODECS), CODECS, validation.name)
    found = statistics(model, test, CODECS)
    usual = unusualness(found, reference)
    p_values = reference.p_value("unusual", usual["combined"])
    kinds: Line = {}
    for other in _kinds(test.thinned(OF_A_KIND), against):
        unusual = unusualness(statistics(model, other, CODECS), reference)
        kinds[other.name] = {name: _auroc(usual[name], unusual[name]) for name in usual}
    return {"usual": len(test), "false_alarms": float((p_values < LEVEL).mean()), "auroc": kinds}


def _auroc(usual: Floats, unusual: Floats) -> float:
    usual.sort()
    return auroc(usual, unusual)


def _kinds(test: Dataset, against: Sequence[str]) -> Iterator[Dataset]:
    """The kinds of unusual images: other data sets, and changed test images. A line reports one that isn't there."""
    for name in against:
        try:
            yield _named(name, test)
        except InputError as error:
            say(f"{name} is left out: {error}")
    for name, change in CHANGES.items():
        yield replace(test, name=name, images=change(np.asarray(test.images)))


def _named(name: str, test: Dataset) -> Dataset:
    """Test images of another data set, at the size of these; InputError if they aren't there."""
    if name == emoji.NAME:
        return Dataset(name, "test", emoji.emoji(test.image_shape)).thinned(OF_A_KIND)
    return load(name, test.image_shape, "test").thinned(OF_A_KIND)
