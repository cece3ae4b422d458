"""The command that reports on a run."""

import webbrowser
from contextlib import suppress
from pathlib import Path

from glowflow.commands.inputs import check_parent
from glowflow.progress import say


def report(run: Path, out: Path | None = None, no_open: bool = False) -> None:
    """Write a report on a run, finished or not, and open it in a browser.

    A training writes the same report into its directory at each validation.

    Example: glowflow report runs/digits

    Args:
        run: The run's directory.
        out: The file to write, by default report.html in the run's directory.
        no_open: Write the report without opening it.
    """
    from glowflow.reports import Report

    if out is not None:
        check_parent(out)
    path = Report().write(run, out)
    say(f"The report on {run} is in {path}.")
    if not no_open:
        with suppress(webbrowser.Error):
            webbrowser.open(path.resolve().as_uri())
