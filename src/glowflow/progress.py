"""The progress of long work, on standard error: a live bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from glowflow.pace import Pace
from glowflow.terminal import reports

SECONDS_BETWEEN_LINES = 20.0

_console = reports()
_shown: list[str] = []
"""The work whose progress is shown. It's one at most, because work inside other work isn't shown."""
_noted: list[list[str]] = []
"""The lists to which `say` adds its messages; see `noted`."""


def be_silent() -> None:
    """Show nothing from now on."""
    _console.quiet = True


def is_silent() -> bool:
    """True if nothing is shown."""
    return _console.quiet


def say(message: str) -> None:
    """Print one line to standard error, above the live bar if there is one."""
    for messages in _noted:
        messages.append(message)
    _print(message)


@contextmanager
def noted() -> Iterator[list[str]]:
    """Give a list to which `say` adds each of its messages. Lines of progress aren't among them."""
    messages: list[str] = []
    _noted.append(messages)
    try:
        yield messages
    finally:
        _noted.pop()


def _print(message: str) -> None:
    _console.print(message, soft_wrap=True)


@contextmanager
def progress(description: str, total: int, unit: str = "images", done: int = 0) -> Iterator[Callable[..., None]]:
    """Show the progress of `total` units of work, of which `done` were done before an interruption.

    Yields `advance(count, note="")`, which says that `count` more units are done; `note` is a short text beside the
    bar. Work inside other work shows nothing.
    """
    if _shown:
        yield lambda count, note="": None
        return
    _shown.append(description)
    try:
        with (_live if _is_live() else _lines)(description, Pace(total, done), unit) as advance:
            yield advance
    finally:
        _shown.pop()


def _is_live() -> bool:
    """True for a terminal that can move its cursor; False for a file, even if the user asks for colours there."""
    return _console.file.isatty() and _console.is_terminal and not _console.is_dumb_terminal


class _PaceColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_described(task.fields["pace"], f" {task.fields['unit']}"))


def _described(pace: Pace, unit: str = "") -> str:
    """The rate, and the time left as soon as it's known."""
    left = "" if pace.left is None else f", {pace.left} left"
    return f"{_number(pace.rate)}{unit}/s{left}"


def _number(rate: float) -> str:
    """A rate of 1 or more as a whole number, a smaller one with two digits."""
    return f"{rate:.0f}" if rate >= 1 or not rate else f"{rate:.2g}"


@contextmanager
def _live(description: str, pace: Pace, unit: str) -> Iterator[Callable[..., None]]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _PaceColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=_console) as bar:
        task = bar.add_task(description, total=pace.total, completed=pace.done, unit=unit, pace=pace, note="")

        def advance(count: int, note: str = "") -> None:
            pace.advance(count)
            bar.update(task, completed=pace.done, note=note)

        yield advance


@contextmanager
def _lines(description: str, pace: Pace, unit: str) -> Iterator[Callable[..., None]]:
    told = 0.0

    def advance(count: int, note: str = "") -> None:
        nonlocal told
        pace.advance(count)
        if pace.seconds - told >= SECONDS_BETWEEN_LINES or (pace.done >= pace.total and pace.seconds > 1):
            beside = f"  {note}" if note else ""
            _print(f"{description}: {pace.done}/{pace.total} {unit}, {_described(pace)}{beside}")
            told = pace.seconds

    yield advance
