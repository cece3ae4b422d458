"""Results of commands that measured a run's model. They stay in the run's directory, and the report shows them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from glowflow import weights
from glowflow.checks import fits
from glowflow.durable import load_json, save_json
from glowflow.errors import InputError
from glowflow.reports.history import MOST_IMAGES, is_finite
from glowflow.stored import StoredModel
from glowflow.training.metrics import METRICS
from glowflow.training.run import CONFIG

RESULTS = "results.json"
DATA = "data:image/"
"""How the address of a picture begins that the report holds itself."""


@dataclass(frozen=True)
class Result:
    """What a command found out.

    Attributes:
        command: The command, such as "evaluate".
        subject: What it measured. A later result of the same command on the same subject replaces this one.
        rows: The result: names and texts.
        when: When it was measured, and the state of the model then.
        counts: A histogram of bits/dim: how many images there are in each of some ranges of equal width.
        limits: The lower limit of the first range and the upper limit of the last one.
        picture: Images, as the address of a picture (a data URI); empty if there are none.
        caption: What these images are.
    """

    command: str
    subject: str
    rows: dict[str, str]
    when: str
    counts: Sequence[int] = ()
    limits: tuple[float, float] = (0.0, 1.0)
    picture: str = ""
    caption: str = ""


def run_of(stored: StoredModel) -> Path | None:
    """The run's directory, if a model was named by it; None for every other model."""
    is_run = all((stored.home / name).is_file() for name in (CONFIG, METRICS))
    return stored.home if is_run else None


def as_of(stored: StoredModel) -> str:
    """The time, and how many images the model was trained on, if that's known."""
    path = stored.directory / weights.PROVENANCE
    images = load_json(path).get("images") if path.is_file() else None
    trained = f", the model after {images:,} images" if isinstance(images, int) else ""
    return f"{datetime.now(UTC):%Y-%m-%d at %H:%M} UTC{trained}"


def keep(run: Path, results: Sequence[Result]) -> None:
    """Add results to those of a run, in place of older ones on the same subjects."""
    entries = {(each.command, each.subject): asdict(each) for each in [*read(run), *results]}
    save_json(run / RESULTS, {"results": list(entries.values())})


def read(run: Path) -> list[Result]:
    """The results of a run; none if there is no file of them, or if it's damaged."""
    try:
        lines = load_json(run / RESULTS).get("results")
    except InputError:
        return []
    return [Result(**line) for line in lines if _is_result(line)] if isinstance(lines, list) else []


def _is_result(line: object) -> bool:
    """True for what `keep` writes."""
    if not (isinstance(line, dict) and line.keys() == Result.__annotations__.keys() and isinstance(line["rows"], dict)):
        return False
    texts = (line[name] for name in ("command", "subject", "when", "picture", "caption"))
    return (
        all(isinstance(text, str) for text in [*texts, *line["rows"].values()])
        and fits(line["counts"], tuple[int, ...])
        and all(0 <= count <= MOST_IMAGES for count in line["counts"])
        and fits(line["limits"], tuple[float, float])
        and all(map(is_finite, line["limits"]))
        and line["picture"].startswith(("", DATA)[bool(line["picture"])])
    )
