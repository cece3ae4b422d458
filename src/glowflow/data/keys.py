"""Names for the cache's directories, which differ if the images may differ."""

import os
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

from glowflow.data.value_range import UNKNOWN, Range
from glowflow.shapes import Shape, shape_text


def digest(*texts: str) -> str:
    """A short text that differs for different texts."""
    found = blake2b(digest_size=6)
    for text in texts:
        found.update(os.fsencode(text) + b"\n")
    return found.hexdigest()


def states(paths: Iterable[Path]) -> list[str]:
    """A text for each file, which changes with the file's name, size or time of change."""
    statuses = [(path.name, path.stat()) for path in paths]
    return [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in statuses]


def prefix(kind: str, place: str, image_shape: Shape, value_ranges: Mapping[str, Range] = UNKNOWN) -> str:
    """The start of the keys for a place, such as a folder. The rest of a key tells its versions apart."""
    ranges = [f"{name} {float(low)!r} {float(high)!r}" for name, (low, high) in sorted(value_ranges.items())]
    return "-".join([kind, digest(place), *([digest(*ranges)] if ranges else []), shape_text(image_shape), ""])
