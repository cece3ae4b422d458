"""What a run writes while it trains. A full disk doesn't stop the training, and leaves older files as they are."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from glowflow.data import Dataset
from glowflow.errors import one_line
from glowflow.evaluate import bound, mean_of, sample
from glowflow.pictures import grid, stacked
from glowflow.progress import say
from glowflow.scoring.codecs import standard
from glowflow.scoring.reference import FEWEST, Reference
from glowflow.scoring.statistics import Statistics
from glowflow.training.metrics import Metrics
from glowflow.training.run import BEST, LAST
from glowflow.training.state import TrainingState

SECONDS_BETWEEN_CHECKPOINTS = 600.0
SAMPLES = "samples"
"""The directory of pictures of samples, one for each validation. All show the same latents."""
SAMPLE_TEMPERATURES = (0.5, 0.7, 1.0)
SAMPLE_ROWS, SAMPLE_COLUMNS = 2, 10
"""How the samples of a temperature are laid out."""


def report(out: Path, write: Callable[[Path], object] | None) -> None:
    """Have a report on the run in `out` written. Nothing that goes wrong there stops the training."""
    try:
        if write is not None:
            write(out)
    except Exception as error:
        say(f"The report on {out} couldn't be written ({one_line(error)}).")


class Record:
    """Writes metrics, pictures and checkpoints of a run into its directory.

    If something can't be written, a message says so, and the training goes on. Only the final checkpoint has to be
    written.
    """

    def __init__(self, out: Path, state: TrainingState, *, tensorboard: bool = False) -> None:
        self.out, self.state = out, state
        self.metrics = Metrics(out, state.progress.position, tensorboard=tensorboard)
        self.saved_at = state.progress.position
        self.failure: OSError | None = None
        self._last_tried = time.monotonic()

    def write(self, kind: str, values: Mapping[str, float]) -> None:
        """Add a line to the metrics."""
        self._try(self.metrics.path, lambda: self.metrics.write(kind, self.state.progress.position, values))

    def draw(self, seed: int) -> None:
        """Write a picture of samples."""
        path = self.out / SAMPLES / f"{self.state.progress.position:09d}.png"
        count, model = SAMPLE_ROWS * SAMPLE_COLUMNS, self.state.evaluated
        samples = {f"T = {t}": grid(sample(model, count, t, seed=seed), SAMPLE_COLUMNS) for t in SAMPLE_TEMPERATURES}

        def write() -> None:
            path.parent.mkdir(exist_ok=True)
            stacked(samples).save(path)

        self._try(path, write)

    def save_best(self, found: Statistics, validation: Dataset) -> None:
        """Keep the model as the best one, with this result on validation images.

        They also make its reference, unless the model computes in another type than `glowflow score` does.
        """
        path, mean = self.out / BEST, mean_of(found.bits_per_dim, validation)
        about = {"data": validation.name, "split": validation.split, "bound": bound(self.state.model.config)}
        result = asdict(mean) | about
        is_exact = self.state.evaluated.execution.precision is None
        enough = is_exact and len(found.layout) >= FEWEST
        reference = Reference.of(found, standard(), validation.name).made_of(validation) if enough else None
        if self._try(path, lambda: self.state.save_model(path, reference, result)) is None:
            self.state.progress.best = mean.bits_per_dim

    def is_overdue(self) -> bool:
        """True if the last attempt to write a checkpoint is long ago."""
        return time.monotonic() - self._last_tried > SECONDS_BETWEEN_CHECKPOINTS

    def save(self) -> None:
        """Write a checkpoint."""
        self.failure = self._try(self.out / LAST, lambda: self.state.save(self.out))
        self._last_tried = time.monotonic()
        if self.failure is None:
            self.saved_at = self.state.progress.position

    def finish(self) -> None:
        """Report a final state that wasn't saved because it isn't finite; OSError if it couldn't be written."""
        if self.failure is None and self.saved_at != self.state.progress.position:
            kept = f"{self.out / LAST} keeps the state at {self.saved_at:,} images"
            say(f"The training ended with a loss or bits/dim that isn't a finite number, so {kept}.")
        if self.failure is not None:
            reason = self.failure.strerror or self.failure
            advice = f"with room, the same command goes on from {self.saved_at:,} images"
            raise OSError(self.failure.errno, f"{reason}, at the training's end; {advice}", str(self.out / LAST))

    def _try(self, path: Path, write: Callable[[], None]) -> OSError | None:
        try:
            write()
        except OSError as error:
            kept = f"{self.out / LAST} holds the training up to {self.saved_at:,} images"
            say(f"{path} couldn't be written ({error.strerror or error}). The training goes on; {kept}.")
            return error
        return None
