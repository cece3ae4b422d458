"""The page of a report: one HTML file that needs no other."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

from glowflow import __version__
from glowflow.reports.history import History
from glowflow.reports.moments import Moment
from glowflow.reports.results import Result
from glowflow.reports.sections import captions, sections, state

PAGE = files("glowflow.reports") / "page"


def page(history: History, moments: Sequence[Moment], results: Sequence[Result]) -> str:
    """The page on a run, with samples of some moments and results of commands."""
    written = f"{datetime.now(UTC):%Y-%m-%d at %H:%M} UTC"
    return Template(_file("page.html")).substitute(
        name=escape(history.out.resolve().name),
        state=escape(state(history)),
        stage="running" if history.is_training and history.position < history.images else "ended",
        images=history.images,
        position=history.position,
        sections=sections(history, moments, results),
        moments=_as_json(history, moments),
        written=escape(f"Written by glowflow {__version__} on {written}."),
        style=_file("style.css"),
        script=_file("script.js"),
    )


def _file(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _as_json(history: History, moments: Sequence[Moment]) -> str:
    """The moments for the script, as JSON that can't end its element."""
    captioned = zip(moments, captions(history, moments), strict=True)
    entries = [{"images": each.images, "picture": each.picture, "caption": caption} for each, caption in captioned]
    return json.dumps(entries).replace("<", "\\u003c")
