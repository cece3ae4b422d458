"""The numbers for black and white in image files of more than 8 bits: one range for all files of a kind.

A number alone doesn't say how bright it is: 4095 is white in a file of 12-bit values, and dark grey in one of 16-bit
values. So the range is chosen from the values of all files, and stored with the prepared images.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from glowflow.checks import checked_range
from glowflow.errors import InputError, counted
from glowflow.progress import say

Range = tuple[float, float]
"""The value that becomes black (0), and the one that becomes white (255)."""

UNKNOWN: Mapping[str, Range] = {}
"""The value ranges if none is known."""
KINDS: Mapping[str, str] = {
    "uint16": "16-bit values",
    "int16": "signed 16-bit values",
    "uint32": "32-bit values",
    "int32": "signed 32-bit values",
    "float32": "floating-point values",
}
"""The name of each kind of numbers. Files of 8 bits, from 0 to 255, have none of these kinds."""
WHOLE_RANGES: Mapping[str, Range] = {
    "uint16": (0, 2**16 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "float32": (0, 1),
}
"""The ranges used if values can't be seen first: all that a kind can hold, and from 0 to 1 for floating-point."""

BITS = (8, 10, 12, 14, 16)
TOMOGRAPHY: Range = (-1024, 3071)
"""The range of computed tomography in Hounsfield units, 12 bits that start at -1024."""
WHOLE = sorted(
    [*((0, 2**n - 1) for n in BITS), *((-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in BITS), TOMOGRAPHY],
    key=lambda limits: (limits[1] - limits[0], limits == TOMOGRAPHY, limits[0] < 0),
)
"""Usual ranges of whole numbers, the narrowest first."""
FRACTIONS: tuple[Range, ...] = ((0, 1), (-1, 1))
TOLERANCE = 0.05
"""Floating-point values may exceed a range by this share of it, because resizing and rounding cause that."""
LEAST_USED = 0.25
"""Floating-point values must exceed this share of a range's largest number for the range to be theirs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The values in files of one kind, which is one of `KINDS`.

    Attributes:
        low: the smallest finite value; infinity if there is none.
        high: the largest finite value; minus infinity if there is none.
        files: the number of files.
        not_finite: the number of files with pixels that are not finite.
    """

    kind: str
    low: float = inf
    high: float = -inf
    files: int = 0
    not_finite: int = 0

    @classmethod
    def of(cls, values: NDArray[np.generic], kind: str) -> "Seen":
        """The values of one file."""
        finite = values[np.isfinite(values)] if kind == "float32" else values
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (inf, -inf)
        return cls(kind, low, high, 1, int(finite.size < values.size))

    def and_also(self, other: "Seen") -> "Seen":
        """These values and others of the same kind."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Seen(self.kind, low, high, self.files + other.files, self.not_finite + other.not_finite)


def together(seen: Iterable[Seen]) -> dict[str, Seen]:
    """The values of many files, by kind."""
    found: dict[str, Seen] = {}
    for each in seen:
        found[each.kind] = found.get(each.kind, Seen(each.kind)).and_also(each)
    return found


def usual(seen: Seen) -> Range:
    """The narrowest usual range that holds all values. If none does, it goes from the smallest to the largest value.

    >>> usual(Seen("uint16", 3, 3900)), usual(Seen("int16", -900, 2800)), usual(Seen("float32", -0.001, 1.0001))
    ((0, 4095), (-1024, 3071), (0, 1))
    """
    if seen.low > seen.high:
        return FRACTIONS[0]
    holding = (limits for limits in _usual_ranges(seen) if _holds(limits, seen))
    return next(holding, (seen.low, seen.high if seen.high > seen.low else seen.low + 1))


def _usual_ranges(seen: Seen) -> list[Range]:
    """The usual ranges for a kind of values. Small floating-point values don't get a wide range."""
    if seen.kind != "float32":
        return WHOLE
    used = max(abs(seen.low), abs(seen.high))
    return [*FRACTIONS, *(limits for limits in WHOLE if used > LEAST_USED * max(map(abs, limits)))]


def _holds(limits: Range, seen: Seen) -> bool:
    low, high = limits
    spare = TOLERANCE * (high - low) if seen.kind == "float32" else 0
    return low - spare <= seen.low and seen.high <= high + spare


def levels(values: NDArray[np.generic], limits: Range) -> NDArray[np.uint8]:
    """Values (H, ...) scaled to 0 to 255. Those below the range or not finite become 0, those above it 255."""
    return np.stack([_levels(row, *limits) for row in values])  # row by row, so that few floats are in memory


def _levels(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    numbers = values.astype(np.promote_types(values.dtype, np.float32))
    scaled = (np.where(np.isfinite(numbers), numbers, low) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def for_all_kinds(limits: Range | None) -> dict[str, Range]:
    """The range that a user chose, for all kinds; empty if none was chosen."""
    return {} if limits is None else dict.fromkeys(KINDS, checked_range(limits))


def check_needed(chosen: Range | None, found: Mapping[str, object], where: str) -> None:
    """Refuse a user's range if no file has values of more than 8 bits."""
    if chosen is not None and not found:
        raise InputError(
            f"--value-range is for image files of more than 8 bits, but none of {where} has more: leave it out, and 0 "
            "is black, 255 is white."
        )


def described(ranges: Mapping[str, Range]) -> str:
    """Ranges in words.

    >>> described({"uint16": (0, 4095)})
    '16-bit values from 0 (black) to 4095 (white)'
    """
    return "; ".join(f"{KINDS[kind]} from {low:g} (black) to {high:g} (white)" for kind, (low, high) in ranges.items())


def told(seen: Mapping[str, Seen], ranges: Mapping[str, Range], where: str = "") -> None:
    """Report how values of more than 8 bits in `where` are read, and which kinds have values that aren't finite."""
    for kind, values in seen.items():
        low, high = (f"{limit:g}" for limit in ranges[kind])
        found = f"go from {values.low:g} to {values.high:g}" if values.low <= values.high else "are not finite"
        files = f"{counted(values.files, 'file')}{f' of {where}' if where else ''}"
        say(
            f"{KINDS[kind].capitalize()} in {files} {found}: {low} is read as black and {high} as white. "
            "--value-range LOW,HIGH sets other limits."
        )
        if values.not_finite:
            say(f"Pixels that aren't finite numbers are read as black. {values.not_finite:,} of these files have some.")
