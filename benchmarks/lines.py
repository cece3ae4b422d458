"""Output files with a line for each measurement, so that an interrupted benchmark can go on."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from glowflow.durable import append, load_lines
from glowflow.provenance import provenance

Line = dict[str, Any]


def complete(path: Path, measure: Callable[..., Line], wanted: Iterable[Line]) -> list[Line]:
    """Measure what the file lacks, and append each measurement as soon as it's made.

    Args:
        path: A JSONL file, which need not exist yet.
        measure: A function that takes the settings of a measurement as keywords and returns its results.
        wanted: The settings of each measurement. If a line has all of them, it isn't measured again.

    Returns:
        The wanted lines, in order: settings, results and provenance.
    """
    lines = load_lines(path)
    chosen = []
    for settings in wanted:
        found = next((line for line in lines if settings.items() <= line.items()), None)
        if found is None:
            found = settings | measure(**settings) | provenance()
            append(path, json.dumps(found) + "\n")
        chosen.append(found)
    return chosen
