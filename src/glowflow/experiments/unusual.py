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
from glowflow.evaluate import scores
from glowflow.experiments import emoji
from glowflow.experiments.changes import CHANGES
from glowflow.experiments.results import Line
from glowflow.model import Glow
from glowflow.provenance import provenance
from glowflow.scoring.codecs import standard
from glowflow.scoring.columns import Table, unusualness
from glowflow.scoring.reference import MOST, Reference
from glowflow.scoring.separation import Scored, auroc
from glowflow.scoring.statistics import Statistics, statistics
from glowflow.shapes import Shape

OF_A_KIND = 1000
"""The most unusual images of each kind."""
LEVEL = 0.05
"""Images with a lower p-value count as false alarms, if they are usual."""
SMALLER, DRAWS = (100, 200, 500), 10
"""The sizes of smaller references, whose false alarms are counted, too, and how many of each size are drawn."""


@dataclass(frozen=True)
class Trial:
    """A trained model, whose scores are to tell unusual images from usual ones.

    What is usual is learned from validation images. Nothing is chosen by test images.

    Args:
        model: The model.
        run: Its training.
        background: A background model, for the ratio of the likelihoods.
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
        return self._reference(self._validated)

    @cached_property
    def usual(self) -> Table:
        """The scores of usual images, each ascending."""
        return {name: Scored(values).sorted for name, values in self._scores(self.test, self._tested).items()}

    @property
    def calibration(self) -> Line:
        """The share of false alarms among usual images, and how many images it's about."""
        total = len(self._validated.layout)
        return {
            "reference": total,
            "usual": len(self.test),
            "scenes": None if self.test.groups is None else len(np.unique(self.test.groups)),
            "false_alarms": self._false_alarms(self.reference),
            "false_alarms_by_size": {str(size): self._by_smaller(size) for size in SMALLER if size < total},
        }

    def auroc(self, unusual: Dataset) -> dict[str, float]:
        """The AUROC of each score for usual images against these."""
        found = self._scores(unusual, self._described(unusual))
        return {name: auroc(self.usual[name], Scored(values).sorted) for name, values in found.items()}

    def kinds(self, against: Sequence[str]) -> Mapping[str, Callable[[], Dataset]]:
        """Functions that give unusual images, by name: of other data sets, and changed usual images."""
        usual = self.test.thinned(OF_A_KIND)
        others = {name: partial(images_of, name, usual.image_shape) for name in against}
        return others | {name: partial(_changed, name, usual) for name in CHANGES}

    @cached_property
    def _validated(self) -> Statistics:
        """What the model says about validation images."""
        return self._described(self._images("validation").thinned(MOST))

    @cached_property
    def _tested(self) -> Statistics:
        """What the model says about the usual test images."""
        return self._described(self.test)

    def _images(self, split: Split) -> Dataset:
        return of_run(self.run, split).with_classes(self.model.class_names)

    def _described(self, dataset: Dataset) -> Statistics:
        return statistics(self.model, dataset, standard())

    def _reference(self, found: Statistics) -> Reference:
        return Reference.of(found, standard(), self.run.train.data)

    def _scores(self, dataset: Dataset, found: Statistics) -> Table:
        table = unusualness(found, self.reference)
        if self.background is None:
            return table
        return table | {"background_corrected": table["bits_per_dim"] - scores(self.background, dataset)}

    def _false_alarms(self, reference: Reference) -> float:
        """The share of the usual test images that are false alarms with this reference."""
        found = reference.scores(self._tested)["unusual"]
        return float((reference.p_value("unusual", found) < LEVEL).mean())

    def _by_smaller(self, size: int) -> list[float]:
        """The shares of false alarms with references of so many validation images, each of them a random choice."""
        rng, total = np.random.default_rng(0), len(self._validated.layout)
        choices = (rng.permutation(total)[:size] for _ in range(DRAWS))
        return [self._false_alarms(self._reference(self._validated.chosen(rows))) for rows in choices]


def told_apart(trial: Trial, against: Sequence[str], pairs: Path, name: str) -> Line:
    """The calibration of a trial, and the AUROC of each score against each kind of unusual images.

    Args:
        trial: The model.
        against: The data sets that are unusual for it, beside changed test images.
        pairs: A file with a line for each kind that was measured. These aren't measured again, and others are added.
        name: The name of the training in that file, and of its background model.
    """
    known = {line["kind"]: line["auroc"] for line in load_lines(pairs) if line["training"] == name}
    for kind, images in trial.kinds(against).items():
        if kind in known:
            continue
        known[kind] = trial.auroc(images())
        append(pairs, json.dumps({"training": name, "kind": kind, "auroc": known[kind]} | provenance()) + "\n")
    return trial.calibration | {"auroc": known}


def images_of(name: str, image_shape: Shape) -> Dataset:
    """Test images of a data set, or emoji, of one size; InputError if they aren't there."""
    if name == emoji.NAME:
        return Dataset(name, "test", emoji.emoji(image_shape)).thinned(OF_A_KIND)
    return load(name, image_shape, "test").thinned(OF_A_KIND)


def _changed(name: str, test: Dataset) -> Dataset:
    return replace(test, name=name, images=CHANGES[name](np.asarray(test.images)))
