"""Progress shows one task at a time, plain lines where no bar can move, and a sensible time left."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from glowflow import progress as module
from glowflow.pace import Pace
from glowflow.progress import progress, say


@dataclass
class Clock:
    """A clock that moves only when a test moves it."""

    now: float = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock.now)
        yield clock


def steps(clock: Clock, advance: Callable[..., None], number: int, seconds: float, count: int = 10) -> None:
    for _ in range(number):
        clock.wait(seconds)
        advance(count, "1.5 bits/dim")


def test_lines_have_count_rate_and_time_left(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with progress("Training", total=400, done=100) as advance:
        steps(clock, advance, 15, 2.0)
        steps(clock, advance, 15, 1.0)
    assert capsys.readouterr().err.splitlines() == [
        "Training: 200/400 images, 5/s, 0:00:40 left  1.5 bits/dim",
        "Training: 350/400 images, 6/s, 0:00:08 left  1.5 bits/dim",
        "Training: 400/400 images, 7/s, 0:00:00 left  1.5 bits/dim",
    ]


def test_a_slow_rate_is_not_zero(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with progress("Training", total=2) as advance:
        steps(clock, advance, 1, 30.0, count=1)
    assert capsys.readouterr().err == "Training: 1/2 images, 0.033/s  1.5 bits/dim\n"


def test_the_first_step_does_not_foretell_days(clock: Clock) -> None:
    pace = Pace(100_000)
    steps(clock, lambda count, _: pace.advance(count), 1, 60.0)
    assert pace.left is None
    steps(clock, lambda count, _: pace.advance(count), 4, 1.0)
    assert pace.left is None  # these few seconds don't tell either
    steps(clock, lambda count, _: pace.advance(count), 1, 1.0)
    assert str(pace.left) == "2:46:34"


def test_the_time_left_follows_the_last_minute(clock: Clock) -> None:
    pace = Pace(10_000)
    steps(clock, lambda count, _: pace.advance(count), 100, 10.0)
    steps(clock, lambda count, _: pace.advance(count), 100, 1.0)
    assert pace.rate == pytest.approx(10)


def test_work_inside_other_work_is_silent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with progress("Outer", total=2) as outer, progress("Inner", total=1) as inner:
        inner(1)
        outer(1)
        say("A word.")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Outer", "A word."]
    with progress("After", total=1) as after:
        after(1)
    assert capsys.readouterr().err.startswith("After")


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    """What work on a folder of an odd name writes to a stream."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with progress("Reading [red]my :smile:", total=1) as advance:
        advance(1, "[b]")
    say("[/] is read. :smile:")
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["terminal", "dumb terminal", "file, colours asked for"])
def test_names_are_shown_as_they_are(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TERM", "dumb" if kind == "dumb terminal" else "xterm")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if kind.startswith("file"):
        monkeypatch.setenv("FORCE_COLOR", "1")
    text = shown(io.StringIO() if kind.startswith("file") else Terminal(), monkeypatch)
    for words in ("Reading [red]my :smile:", "[b]", "[/] is read. :smile:"):
        assert words in text
    assert ("\x1b" in text) == (kind == "terminal")  # only there a bar moves


class Gone(io.StringIO):
    """A stream whose reader has gone, or whose disk is full."""

    def write(self, _: str) -> int:
        raise OSError("No space left on device")


def test_work_goes_on_where_it_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (Gone(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
        with progress("Training", total=1) as advance:
            advance(1)
        say("Done.")
