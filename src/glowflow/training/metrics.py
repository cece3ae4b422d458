"""The metrics of a run, in `metrics.jsonl` and, if wanted, in TensorBoard."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Protocol

from glowflow.durable import append, save_text
from glowflow.packages import imported

METRICS = "metrics.jsonl"


class _Writer(Protocol):
    def add_scalar(self, tag: str, value: float, step: int) -> None: ...


class Metrics:
    """Appends a line to `metrics.jsonl` for each record: its kind, the number of images so far, and named numbers."""

    def __init__(self, out: Path, position: int, *, tensorboard: bool = False) -> None:
        """Open the metrics of the run in `out`, and drop the lines from after `position` images."""
        self.path = out / METRICS
        self._drop_after(position)
        self.board = _tensorboard(out, position) if tensorboard else None

    def write(self, kind: str, position: int, values: Mapping[str, float]) -> None:
        """Record `values` after `position` images; a number that isn't finite becomes null."""
        content = {name: value if isfinite(value) else None for name, value in values.items()}
        append(self.path, json.dumps({"kind": kind, "images": position, **content}) + "\n")
        for name, value in values.items() if self.board else ():
            self.board.add_scalar(f"{kind}/{name}", value, position)  # type: ignore[union-attr]

    def _drop_after(self, position: int) -> None:
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            kept = [line for line in lines if _images(line) <= position]
            if kept != lines:
                save_text(self.path, "".join(kept))


def _images(line: str) -> float:
    try:
        return int(json.loads(line)["images"]) if line.endswith("\n") else float("inf")
    except (ValueError, KeyError, TypeError, OverflowError):
        return float("inf")  # a line that a crash cut short, or a disk altered


def _tensorboard(out: Path, position: int) -> _Writer:
    library = imported("torch.utils.tensorboard", "--tensorboard", "tensorboard")
    writer: _Writer = library.SummaryWriter(str(out / "tensorboard"), purge_step=position + 1)
    return writer
