"""The history of a run, as the files in its directory tell it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import harmonic_mean
from typing import Any, Literal, TypeGuard

from glowflow.checks import check_type, check_whole, is_whole
from glowflow.config import TrainConfig
from glowflow.durable import load_lines
from glowflow.errors import InputError
from glowflow.shapes import Shape
from glowflow.training.metrics import METRICS
from glowflow.training.run import CONFIG, is_training, read_config

Kind = Literal["train", "validation"]
Point = tuple[int, float]
"""A number of images drawn, and a value."""
LARGEST = 1e300
MOST_IMAGES = 2**53
LONGEST = timedelta(days=36_500)
LATEST = 10
"""How many of the latest records tell how fast a training is."""


@dataclass(frozen=True)
class History:
    """What a run has recorded.

    Attributes:
        out: The run's directory.
        settings: The settings of the model and of the training, by name.
        records: The lines of the metrics, the oldest first.
        is_training: Whether a process goes on with the training now.
    """

    out: Path
    settings: dict[str, dict[str, Any]]
    records: list[dict[str, Any]]
    is_training: bool

    @classmethod
    def read(cls, out: Path) -> "History":
        """Read the files of a run, of this version or an older one.

        Raises:
            InputError: If `out` holds no run, or its settings are damaged.
        """
        if not (out / CONFIG).is_file():
            raise InputError(f"{out} holds no run: give the directory of a training, such as runs/digits.")
        settings = read_config(out)
        check_type(f"image_shape in {out / CONFIG}", settings["model"].get("image_shape"), Shape)
        check_whole(f"images in {out / CONFIG}", settings["train"].setdefault("images", TrainConfig().images), 1)
        lines = [line for line in load_lines(out / METRICS) if isinstance(line, dict)]
        return cls(out, settings, [line for line in lines if is_number_of_images(line.get("images"))], is_training(out))

    @property
    def images(self) -> int:
        """The length of the training: how many images it draws."""
        return self.settings["train"]["images"]

    @property
    def position(self) -> int:
        """How many images had been drawn at the latest record."""
        return self.records[-1]["images"] if self.records else 0

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of the images."""
        channels, height, width = self.settings["model"]["image_shape"]
        return channels, height, width

    @property
    def dequantizer(self) -> str:
        """The name of the part that spreads each value over its bin."""
        part = self.settings["model"].get("dequantizer", "uniform")
        return str(part.get("kind") if isinstance(part, Mapping) else part)

    @property
    def mark(self) -> str:
        """What stands beside bits/dim: nothing for those of uniform noise."""
        return "" if self.dequantizer == "uniform" else f" (bound: {self.dequantizer} dequantisation)"

    def curve(self, kind: Kind, name: str) -> list[Point]:
        """The finite values of this name in records of this kind."""
        named = ((line["images"], line.get(name)) for line in self.records if line.get("kind") == kind)
        return [(images, value) for images, value in named if is_finite(value)]

    @property
    def best(self) -> Point | None:
        """The lowest bits/dim on validation images, and the images drawn before; None if there was no validation."""
        return min(self.curve("validation", "bits_per_dim"), key=lambda point: point[1], default=None)

    @property
    def rate(self) -> float | None:
        """Images per second in the latest records, without the time of validations; None if it isn't known."""
        rates = [value for _, value in self.curve("train", "images_per_second")[-LATEST:] if value > 0]
        return harmonic_mean(rates) if rates else None

    @property
    def left(self) -> timedelta | None:
        """The time that the rest of the training takes at this rate; None if it isn't known."""
        seconds = max(self.images - self.position, 0) / self.rate if self.rate else math.inf
        return timedelta(seconds=round(seconds)) if seconds < LONGEST.total_seconds() else None


def is_number_of_images(value: object) -> TypeGuard[int]:
    """True for a number of images that a training can have drawn."""
    return isinstance(value, int) and is_whole(value) and 1 <= value <= MOST_IMAGES


def is_finite(value: object) -> TypeGuard[float]:
    """True for a number that isn't infinite, nor so large that arithmetic with it could be."""
    return isinstance(value, int | float) and abs(value) < LARGEST
