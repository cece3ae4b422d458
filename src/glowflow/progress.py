"""Progress of long work: a live bar on a terminal, plain lines elsewhere, always on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

SECONDS_BETWEEN_LINES = 20.0


def say(message: str) -> None:
    """Print one line to standard error, above a live bar where there is one."""
    console().print(message, markup=False, highlight=False, soft_wrap=True)


def console() -> Console:
    """The console of standard error, found anew each time so that a redirection is respected."""
    return Console(file=sys.stderr)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.0f} {task.fields['unit']}/s")


@contextmanager
def progress(description: str, total: int, unit: str = "images", done: int = 0) -> Iterator[Callable[..., None]]:
    """Show the progress of `total` units of work.

    Yields `advance(count, note="")`: `count` more units are done; `note` is a short text shown beside the bar.
    `done` units were finished before (work that goes on from an interruption).
    """
    shown = _live if console().is_terminal else _lines
    with shown(description, total, unit, done) as advance:
        yield advance


@contextmanager
def _live(description: str, total: int, unit: str, done: int) -> Iterator[Callable[..., None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console(), speed_estimate_period=60) as bar:
        task = bar.add_task(description, total=total, completed=done, unit=unit, note="")

        def advance(count: int, note: str = "") -> None:
            bar.update(task, advance=count, note=note)

        yield advance


@contextmanager
def _lines(description: str, total: int, unit: str, done: int) -> Iterator[Callable[..., None]]:
    began = last = time.monotonic()
    first = done

    def advance(count: int, note: str = "") -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or (done >= total and now - began > 1):
            rate = (done - first) / max(now - began, 1e-9)
            left = timedelta(seconds=round((total - done) / rate)) if rate else "?"
            say(f"{description}: {done}/{total} {unit}, {rate:.0f}/s, {left} left{'  ' if note else ''}{note}")
            last = now

    yield advance
