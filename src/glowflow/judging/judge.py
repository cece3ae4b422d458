"""The quality of samples, by the features of a small classifier that is trained here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from torch import Tensor

from glowflow.judging.classifier import Classifier
from glowflow.judging.kid import kid
from glowflow.judging.precision_recall import precision_recall
from glowflow.judging.task import Task
from glowflow.judging.training import classifier_for


@dataclass(frozen=True)
class Quality:
    """How good samples are.

    >>> Quality(kid=0.02, precision=0.8, recall=0.5).recall
    0.5

    Attributes:
        kid: Their distance from real images; see `judging.kid`. Lower is better.
        precision: The share of samples that resemble real images; see `precision_recall`.
        recall: The share of real images that samples resemble.
    """

    kid: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Judge:
    """Compares samples with real images.

    >>> import torch
    >>> from glowflow.judging.classifier import Classifier
    >>> images = torch.randint(256, (20, 1, 8, 8), dtype=torch.uint8)
    >>> judge = Judge(Classifier((1, 8, 8), num_outputs=2).eval(), images)
    >>> judge.quality(images).precision, judge.quality(images).recall
    (1.0, 1.0)

    Attributes:
        classifier: The network whose features are compared.
        images: Real images (N, C, H, W), uint8.
        about: What the classifier classifies, its accuracy, and descriptions of the images that were kept from it, for
            which it was measured, and of the real images.
    """

    classifier: Classifier
    images: Tensor
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task, images: Tensor, reference: str) -> Self:
        """A judge with the classifier of a task. `reference` describes the real images (N, C, H, W), uint8."""
        classifier = classifier_for(task)
        measured = {"classifies": task.kind, "accuracy": float(classifier.accuracy), "kept": task.kept}
        return cls(classifier, images, measured | {"reference": reference})

    def kid(self, samples: Tensor) -> float:
        """KID between samples (M, C, H, W), uint8, and the real images."""
        return kid(self.classifier.features(samples), self._known)

    def quality(self, samples: Tensor) -> Quality:
        """The quality of samples (M, C, H, W), uint8. Figures of equally many samples can be compared."""
        features = self.classifier.features(samples)
        return Quality(kid(features, self._known), *precision_recall(features, self._known))

    @cached_property
    def _known(self) -> Tensor:
        """The features (N, d) of the real images."""
        return self.classifier.features(self.images)
