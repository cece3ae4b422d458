"""The sections of a report, as HTML."""

from collections.abc import Mapping, Sequence
from html import escape

from glowflow import plugins
from glowflow.checks import typed
from glowflow.paths import quoted
from glowflow.reports.axes import Scale
from glowflow.reports.chart import Curve, chart, histogram
from glowflow.reports.history import History, Kind
from glowflow.reports.markup import bullets, pairs, section, table
from glowflow.reports.moments import TEMPERATURE, Moment, thinned
from glowflow.reports.remarks import remarks
from glowflow.reports.results import Result
from glowflow.shapes import shape_text
from glowflow.training.run import CONFIG

AVERAGED, RAW, TRAINING = "validation, averaged weights", "validation, raw weights", "training"
COLUMNS: dict[str, tuple[Kind, str, str]] = {
    AVERAGED: ("validation", "bits_per_dim", ".4f"),
    RAW: ("validation", "bits_per_dim_raw", ".4f"),
    TRAINING: ("train", "bits_per_dim", ".4f"),
    "learning rate": ("train", "lr", ".3g"),
    "images/s": ("train", "images_per_second", ".3g"),
}
"""The columns of the table of numbers: the records that have them, their names there, and their formats."""
SAMPLES = f"Samples at temperature {TEMPERATURE}, always from the same latents"


def state(history: History) -> str:
    """How far the training has come, in one line."""
    bits = history.curve("validation", "bits_per_dim")
    latest = f", {bits[-1][1]:.3f} bits/dim{history.mark}" if bits else ""
    if history.position >= history.images:
        return f"all {history.images:,} images{latest}"
    if not history.is_training:
        return f"stopped after {history.position:,} of {history.images:,} images{latest}"
    left = "" if history.left is None else f", {history.left} left"
    return f"{history.position:,} of {history.images:,} images{latest}{left}"


def captions(history: History, moments: Sequence[Moment]) -> list[str]:
    """Each moment in words: how many images were drawn before, and the bits/dim then."""
    curve = history.curve("validation", "bits_per_dim")
    bits = {images: f": {value:.3f} bits/dim{history.mark}" for images, value in curve}
    return [f"after {moment.images:,} images{bits.get(moment.images, '')}" for moment in moments]


def sections(history: History, moments: Sequence[Moment], results: Sequence[Result]) -> str:
    """All sections that have something to show."""
    watched = _samples(history, moments) + _bits(history)
    parts = (
        _facts(history),
        section("remarks", "Worth a look", bullets(remarks(history))),
        watched and f'<div class="watch">{watched}</div>',
        _pace(history),
        section("results", "Results", "".join(map(_result, results))),
        _commands(history),
        _settings(history),
        _numbers(history),
    )
    return "\n".join(filter(None, parts))


def _facts(history: History) -> str:
    best, rate, left = history.best, history.rate, history.left
    facts = {
        "Lowest bits/dim (validation)": best and f"{best[1]:.4f} after {best[0]:,} images{history.mark}",
        "Speed": rate and f"{rate:.3g} images/s",
        "Time left, without validations": str(left) if left else None,
        "Images": typed(history.settings["train"]["data"]),
        "Size of an image": shape_text(history.image_shape),
    }
    known = {name: fact for name, fact in facts.items() if fact}
    return f'<section id="facts" aria-label="Facts">{pairs(known)}</section>'


def _samples(history: History, moments: Sequence[Moment]) -> str:
    if not moments:
        return ""
    last = len(moments) - 1
    slider = f'<input type="range" min="0" max="{last}" value="{last}" aria-label="Moment of the training">'
    moved = " The slider goes through the training."
    return section(
        "samples",
        "Samples",
        f'<img alt="{SAMPLES}" src="{moments[-1].picture}"><output>{captions(history, moments)[-1]}</output>'
        f'{slider if last else ""}<p class="hint">{SAMPLES}.{moved if last else ""}</p>',
    )


def _bits(history: History) -> str:
    validation = history.curve("validation", "bits_per_dim")
    raw = history.curve("validation", "bits_per_dim_raw")
    curves = [
        Curve(TRAINING, "training", history.curve("train", "bits_per_dim")),
        Curve(RAW, "raw", raw, is_dotted=True),
        Curve(AVERAGED if raw else "validation", "averaged", validation, is_dotted=True),
    ]
    return section(
        "bits", f"Bits/dim{history.mark}", chart("Lower is better", curves, history.position, "{:.3f}".format)
    )


def _pace(history: History) -> str:
    rate, speed = (history.curve("train", name) for name in ("lr", "images_per_second"))
    three = "{:.3g}".format
    rates = chart("Learning rate", [Curve("now", "rate", rate)], history.position, three, Scale.from_zero)
    speeds = chart("Images per second", [Curve("now", "speed", speed)], history.position, three, Scale.from_zero)
    return section("pace", "Rate and speed", rates + speeds)


def _result(result: Result) -> str:
    """What a command found out, with its picture and its histogram."""
    shown = pairs(result.rows)
    if result.counts and result.limits[0] < result.limits[1]:
        shown += histogram("Number of images against their bits/dim", result.counts, result.limits)
    if result.picture:
        caption = escape(result.caption)
        shown += (
            f'<figure><img alt="{caption}" src="{escape(result.picture)}"><figcaption>{caption}</figcaption></figure>'
        )
    title = f"<h3>glowflow {escape(result.command)}: {escape(result.subject)}</h3>"
    return f'<article>{title}<p class="hint">{escape(result.when)}</p>{shown}</article>'


def _commands(history: History) -> str:
    out, own = quoted(history.out.resolve()), plugins.said()
    start = f"glowflow train {quoted(history.out.resolve() / CONFIG)} --out {out}{own}"
    begun = {"Go on with the training, with the options that it had beside its settings, such as --memory": start}
    ended = {"Train it for longer": f"{start} --train.images {2 * history.images}"}
    others = {
        "Measure test images": f"glowflow evaluate {out}{own}",
        "Score images one by one": f"glowflow score {out}{own} --out scores.csv",
        "Draw samples": f"glowflow sample {out}{own} --out samples.png",
    }
    lines = (begun if history.position < history.images else ended) | others
    shown = "".join(f"<p>{escape(about)}:</p><pre>{escape(line)}</pre>" for about, line in lines.items())
    return section("commands", "What to do next", shown)


def _settings(history: History) -> str:
    titles = {"model": "The model", "train": "The training"}
    tables = (f"<div><h3>{title}</h3>{pairs(_typed(history.settings[part]))}</div>" for part, title in titles.items())
    return section("settings", "Settings", "".join(tables))


def _typed(settings: Mapping[str, object]) -> dict[str, str]:
    return {str(name): "none" if value is None else typed(value) for name, value in settings.items()}


def _numbers(history: History) -> str:
    """A table of what the charts show, at the moments of validations."""
    curves = {name: (dict(history.curve(kind, key)), form) for name, (kind, key, form) in COLUMNS.items()}
    moments = thinned(sorted(curves[AVERAGED][0]))
    kept = {name: (values, form) for name, (values, form) in curves.items() if values}
    rows = [
        [f"{at:,}", *(format(values[at], form) if at in values else "" for values, form in kept.values())]
        for at in moments
    ]
    shown = table("Numbers", ["images", *kept], rows)
    return f'<section id="numbers"><details><summary>Numbers</summary>{shown}</details></section>' if rows else ""
