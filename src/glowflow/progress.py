"""Progress of long work: a live bar on a terminal, plain lines elsewhere, always on standard error."""

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

_console = Console(stderr=True)
_shown: list[str] = []
"""What progress is shown of, at most one thing: work inside other work is part of it."""


def be_silent() -> None:
    """Show nothing from now on."""
    _console.quiet = True


def is_silent() -> bool:
    """Whether nothing is shown."""
    return _console.quiet


def say(message: str) -> None:
    """Print one line to standard error, above a live bar where there is one."""
    _console.print(message, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(description: str, total: int, unit: str = "images", done: int = 0) -> Iterator[Callable[..., None]]:
    """Show the progress of `total` units of work; inside other work of which progress is shown, nothing.

    Yields `advance(count, note="")`: `count` more units are done; `note` is a short text shown beside the bar.
    `done` units were finished before (work that goes on from an interruption).
    """
    if _shown:
        yield lambda count, note="": None
        return
    _shown.append(description)
    try:
        with (_live if _console.is_terminal else _lines)(description, total, unit, done) as advance:
            yield advance
    finally:
        _shown.pop()


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{_number(task.speed or 0)} {task.fields['unit']}/s")


def _number(rate: float) -> str:
    """Whole from 1 on."""
    return f"{rate:.0f}" if rate >= 1 or not rate else f"{rate:.2g}"


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
    with Progress(*columns, console=_console, speed_estimate_period=60) as bar:
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
            left = timedelta(seconds=round(max(total - done, 0) / rate)) if rate else "?"
            say(f"{description}: {done}/{total} {unit}, {_number(rate)}/s, {left} left{'  ' if note else ''}{note}")
            last = now

    yield advance
