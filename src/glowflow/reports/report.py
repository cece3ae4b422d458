"""The report on a run: a page that shows how the training went."""

from collections.abc import Sequence
from pathlib import Path

from glowflow.durable import save_text
from glowflow.errors import one_line
from glowflow.progress import say
from glowflow.reports import results
from glowflow.reports.history import History
from glowflow.reports.moments import Moments
from glowflow.reports.page import page
from glowflow.reports.results import Result
from glowflow.stored import StoredModel

REPORT = "report.html"


class Report:
    """Writes reports on runs. It keeps the pictures that it made of a run for its next report on it.

    >>> from tempfile import TemporaryDirectory
    >>> from glowflow import GlowConfig, Options, RunConfig, TrainConfig, train
    >>> settings = TrainConfig(data="digits", images=32, batch_size=16, init_batch_size=16, validation_images=16)
    >>> with TemporaryDirectory() as folder:
    ...     run = RunConfig(GlowConfig((1, 28, 28), steps=1, width=8), settings)
    ...     _ = train(run, folder, options=Options(report=Report().write))
    ...     "32 images" in (Path(folder) / "report.html").read_text()
    True
    """

    def __init__(self) -> None:
        self._moments = Moments()

    def write(self, run: Path, to: Path | None = None) -> Path:
        """Write the report on a run, whole or not at all, and return its path.

        Everything in it comes from files of the run's directory, so it's the same after an interruption.

        Args:
            run: The run's directory.
            to: Where to write it, by default `report.html` in the run's directory.

        Raises:
            InputError: If there is no run, or its settings are damaged.
        """
        history, path = History.read(run), to or run / REPORT
        moments = self._moments.of(run, history.image_shape, history.position)
        text = page(history, moments, results.read(run))
        save_text(path, text.encode(errors="replace").decode())  # a damaged file may have letters that UTF-8 hasn't
        return path


def keep(stored: StoredModel, found: Sequence[Result]) -> None:
    """Keep what a command found out about the model of a run, and write the run's report again.

    Nothing happens for a model that wasn't named by its run. If something can't be written, a line says so.
    """
    run = results.run_of(stored)
    if run is None:
        return
    try:
        results.keep(run, found)
        Report().write(run)
    except Exception as error:  # the command has found its result, whatever is wrong with the run's files
        say(f"The report on {run} doesn't show this result ({one_line(error)}).")
