"""Progress without a terminal: plain lines, and one thing at a time."""

import pytest

from glowflow import progress as module
from glowflow.progress import progress, say


def test_lines_have_count_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 10.0, 30.0, 40.0])
    monkeypatch.setattr("glowflow.progress.time.monotonic", lambda: next(clock))
    with progress("Training", total=400, done=100) as advance:
        for count in (50, 50, 200):
            advance(count, "1.5 bits/dim")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "Training: 200/400 images, 3/s, 0:01:00 left  1.5 bits/dim",
        "Training: 400/400 images, 8/s, 0:00:00 left  1.5 bits/dim",
    ]


def test_a_slow_rate_is_not_zero(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 30.0])
    monkeypatch.setattr("glowflow.progress.time.monotonic", lambda: next(clock))
    with progress("Training", total=2) as advance:
        advance(1)
    assert capsys.readouterr().err == "Training: 1/2 images, 0.033/s, 0:00:30 left\n"


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
