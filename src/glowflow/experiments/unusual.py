"""How well a trained model's scores tell unusual images from the usual ones of its own kind."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from glowflow.config import RunConfig
from glowflow.data import Dataset, Split, load, of_run
from glowflow.durable import append, load_lines
from glowflow.errors import InputError
from glowflow.evaluate import scores
from glowflow.experiments import emoji
from glowflow.experiments.changes import CHANGES
from glowflow.experiments.results import Line
from glowflow.model import Glow
from glowflow.progress import say
from glowflow.provenance import provenance
from glowflow.scoring.codecs import PNG, WEBP
from glowflow.scoring.columns import Table, scored, unusualness
from glowflow.scoring.reference import MOST, Reference
from glowflow.scoring.separation import Scored, auroc
from glowflow.scoring.statistics import statistics

CODECS = (PNG, WEBP)
"""Compressors that everyone has."""
OF_A_KIND = 1000
"""The most unusual images of each kind."""
LEVEL = 0.05
"""Images with a lower p-value count as false alarms, if they are usual."""


@dataclass(frozen=True)
class Trial:
    """A trained model, whose scores are to tell unusual images from usual ones.

    What is usual is learned from validation images. Nothing is chosen by test images.

    Args:
        model: The model.
        run: Its training.
        background: A model of more general images, for the ratio of the likelihoods.
    """

    model: Glow
    run: RunConfig
    background: Glow | None = None

    @cached_property
    def test(self) -> Dataset:
        """The usual images."""
        return self._images("test")

    @cached_property
    def reference(self) -> Reference:
        """What is usual."""
        validation = self._images("validation")
        return Reference.of(statistics(self.model, validation.thinned(MOST), CODECS), CODECS, validation.name)

    @cached_property
    def usual(self) -> Table:
        """The scores of usual images, each ascending."""
        return {name: Scored(values).sorted for name, values in self._scores(self.test).items()}

    @property
    def calibration(self) -> Line:
        """The share of false alarms among usual images, and how many images it's about."""
        p_values = self.reference.p_value("unusual", self.usual["combined"])
        return {
            "reference": len(self.reference.usual["unusual"]),
            "usual": len(self.test),
            "scenes": None if self.test.groups is None else len(np.unique(self.test.groups)),
            "false_alarms": float((p_values < LEVEL).mean()),
        }

    def auroc(self, unusual: Dataset) -> dict[str, float]:
        """The AUROC of each score for usual images against these."""
        return {name: auroc(self.usual[name], Scored(found).sorted) for name, found in self._scores(unusual).items()}

    def kinds(self, against: Sequence[str]) -> Mapping[str, Callable[[], Dataset]]:
        """Functions that give unusual images, by name: of other data sets, and changed usual images."""
        usual = self.test.thinned(OF_A_KIND)
        named = {name: partial(_named, name, usual) for name in against}
        return named | {name: partial(_changed, name, usual) for name in CHANGES}

    def _images(self, split: Split) -> Dataset:
        return of_run(self.run, split).with_classes(self.model.class_names)

    def _scores(self, dataset: Dataset) -> Table:
        table = scored(self.model, dataset, partial(unusualness, reference=self.reference), CODECS)
        if self.background is None:
            return table
        return table | {"background_corrected": table["bits_per_dim"] - scores(self.background, dataset)}


def told_apart(trial: Trial, against: Sequence[str], pairs: Path, name: str) -> Line:
    """The calibration of a trial, and the AUROC of each score against each kind of unusual images.

    A line reports a kind that isn't there.

    Args:
        trial: The model.
        against: The data sets that are unusual for it, beside changed test images.
        pairs: A file with a line for each kind that was measured. These aren't measured again, and others are added.
        name: The name of the training in that file.
    """
    known = {line["kind"]: line["auroc"] for line in load_lines(pairs) if line["training"] == name}
    for kind, images in trial.kinds(against).items():
        if kind in known:
            continue
        try:
            known[kind] = trial.auroc(images())
        except InputError as error:
            say(f"{kind} is left out: {error}")
            continue
        append(pairs, json.dumps({"training": name, "kind": kind, "auroc": known[kind]} | provenance()) + "\n")
    return trial.calibration | {"auroc": known}


def _named(name: str, test: Dataset) -> Dataset:
    """Test images of another data set, at the size of these; InputError if they aren't there."""
    if name == emoji.NAME:
        return Dataset(name, "test", emoji.emoji(test.image_shape)).thinned(OF_A_KIND)
    return load(name, test.image_shape, "test").thinned(OF_A_KIND)


def _changed(name: str, test: Dataset) -> Dataset:
    return replace(test, name=name, images=CHANGES[name](np.asarray(test.images)))
