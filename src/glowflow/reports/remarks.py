"""What a reader of a report should know about a run: what went wrong, and what looks wrong."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from glowflow.errors import counted
from glowflow.reports.history import History
from glowflow.training.run import DAMAGED
from glowflow.training.slowdown import HALF, WINDOWS

PATIENCE = 3
"""How many validations without a new best are worth a remark."""

Entry = TypeVar("Entry")


def remarks(history: History) -> list[str]:
    """Sentences about a run; none if there is nothing to say."""
    parts = (_skipped, _slow, _not_finite, _no_better, _damaged)
    return [sentence for part in parts for sentence in part(history)]


def _skipped(history: History) -> Iterator[str]:
    counts = history.curve("train", "skipped")
    if counts and counts[-1][1]:
        total = int(counts[-1][1])
        latest = next(images for images, count in counts if count == total)
        yield (
            f"{counted(total, 'step')} had no finite loss or gradient and changed nothing, "
            f"the last one before {latest:,} images."
        )


def _slow(history: History) -> Iterator[str]:
    points = history.curve("train", "images_per_second")
    rates = [rate for _, rate in points]
    best = max(map(min, _rows(rates)), default=0.0)  # of a single record it could be chance
    slow = {
        place for row in _rows(range(len(rates))) if all(rates[each] <= HALF * best for each in row) for place in row
    }
    starts = [0, *(images for images, _ in points)]
    total = sum(points[place][0] - starts[place] for place in slow)
    if total:
        yield (
            f"For {total:,} images the training was at most half as fast as at its best ({best:.3g} images/s). "
            "Other programs may have needed its cores."
        )


def _rows(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """All rows of WINDOWS entries that follow each other."""
    return [entries[first : first + WINDOWS] for first in range(len(entries) - WINDOWS + 1)]


def _not_finite(history: History) -> Iterator[str]:
    finite = {images for images, _ in history.curve("validation", "bits_per_dim")}
    others = [each["images"] for each in history.records if each.get("kind") == "validation"]
    failed = [images for images in others if images not in finite]
    if failed:
        yield (
            f"The bits/dim on validation images weren't finite in {counted(len(failed), 'validation')}, "
            f"the last one after {failed[-1]:,} images. No checkpoint was written then."
        )


def _no_better(history: History) -> Iterator[str]:
    best = history.best
    if best and sum(images > best[0] for images, _ in history.curve("validation", "bits_per_dim")) >= PATIENCE:
        yield (
            f"The bits/dim on validation images were lowest after {best[0]:,} images ({best[1]:.3f}), and haven't "
            "been as low since then. The model may be learning its training images by heart."
        )


def _damaged(history: History) -> Iterator[str]:
    if (history.out / DAMAGED).is_dir():
        yield f"A checkpoint was damaged. It is set aside as {DAMAGED}, and the training went on from the one before."
