"""Training in turn: every contender a slice of time, until each has had its whole; to be stopped and gone on with."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

import torch

from benchmarks.time_to_quality.contender import Contender, plain
from glowflow.data import Dataset
from glowflow.durable import replacing
from glowflow.errors import InputError
from glowflow.order import shuffled

Report = Callable[["Lane"], None]
ERRORS = (RuntimeError, ValueError, ArithmeticError, AssertionError)
"""What a code base may raise while it trains; a lack of memory among them."""


@dataclass
class Progress:
    """How far a contender is."""

    run: str
    """A name for this training, unlike any other's."""
    seconds: float = 0.0
    """Of its own training, initialisation included; evaluations, checkpoints and imports aren't."""
    position: int = 0
    """Images drawn so far, those of the initialisation not counted."""
    steps: int = 0
    initialized: bool = False
    reported: float = 0.0
    """Minutes of its last report."""
    status: str = "running"
    """Or "finished", "diverged", or "failed: why"."""


@dataclass
class Lane:
    """A contender with its clock and its checkpoint.

    Args:
        name: The contender's.
        contender: In training.
        images: What it learns.
        path: Where its checkpoint is kept; gone on from if it's there.
        seed: Of the images' order and of the contender's own randomness.
        clock: Gives seconds.

    Raises:
        InputError: If the checkpoint is of another recipe.
    """

    name: str
    contender: Contender
    images: Dataset
    path: Path
    seed: int = 0
    clock: Callable[[], float] = field(default_factory=lambda: time.perf_counter)
    progress: Progress = field(default_factory=lambda: Progress(run=uuid4().hex[:12]))

    def __post_init__(self) -> None:
        if self.path.exists():
            self._load()

    def turn(self, until: float) -> None:
        """Train until its own clock shows so many seconds; a step that has begun is finished."""
        at = self.progress
        torch.manual_seed(1_000_003 * self.seed + at.steps)
        try:
            if self.contender.init_size and not at.initialized:
                self._timed(self.contender.initialize, 0, self.contender.init_size)
            at.initialized = True
            while at.seconds < until:
                self._timed(self.contender.train_step, at.position, self.contender.batch_size)
                at.position += self.contender.batch_size
                at.steps += 1
        except ERRORS as error:
            at.status = f"failed: {type(error).__name__}: {error}"
        if not all(parameter.isfinite().all() for parameter in self.contender.network.parameters()):
            at.status = "diverged"

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        content = {
            "recipe": plain(self.contender.recipe),
            "progress": asdict(self.progress),
            "contender": self.contender.state(),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as partial:
            torch.save(content, partial)

    def _load(self) -> None:
        content = torch.load(self.path, weights_only=True)
        if content["recipe"] != plain(self.contender.recipe):
            raise InputError(f"{self.path} is of another recipe of {self.name}: give another --work, or remove it.")
        self.progress = Progress(**content["progress"])
        self.contender.load(content["contender"])

    def _timed(self, work: Callable[[torch.Tensor], None], position: int, count: int) -> None:
        began = self.clock()
        images, _ = self.images.batch(shuffled(self.seed, position, count, len(self.images)))
        work(images)
        self.progress.seconds += self.clock() - began


def race(lanes: Sequence[Lane], minutes: Sequence[float], slice_seconds: float, report: Report) -> None:
    """Train all, in turn, for as long as the last of `minutes`, each lane reported on at each of `minutes`.

    A report of one whose steps are so long that they pass several of `minutes` is made once. What diverges or fails
    is reported on once more, and trained no further.
    """
    for lane in lanes:
        if lane.progress.status == "finished" and lane.progress.seconds < 60 * minutes[-1]:
            lane.progress.status = "running"  # it's to be longer now
    while running := [lane for lane in lanes if lane.progress.status == "running"]:
        for lane in running:
            at = lane.progress
            due = next((m for m in minutes if m > at.reported), minutes[-1])
            lane.turn(min(at.seconds + slice_seconds, 60 * due))
            if at.seconds >= 60 * minutes[-1] and at.status == "running":
                at.status = "finished"
            if at.seconds >= 60 * due or at.status != "running":
                at.reported = max((m for m in minutes if 60 * m <= at.seconds), default=at.reported)
                report(lane)
            lane.save()
