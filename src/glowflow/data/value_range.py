"""Which numbers of image files with more than 8 bits are black and white: one range for all files of a kind.

A number alone doesn't say how bright it is: 4095 is white in a file of 12-bit values, and dark grey in one of 16-bit
values. So the range is decided from the values of all the files, and kept with what was made of them.
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
"""The value ranges where none is known."""
KINDS: Mapping[str, str] = {
    "uint16": "16-bit values",
    "int16": "signed 16-bit values",
    "uint32": "32-bit values",
    "int32": "signed 32-bit values",
    "float32": "floating-point values",
}
"""What each kind of numbers is called. Files of 8 bits, from 0 to 255, are none of these."""
WHOLE_RANGES: Mapping[str, Range] = {
    "uint16": (0, 2**16 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "float32": (0, 1),
}
"""All that each kind can hold, and for floating-point values the most usual: where the values can't be seen first."""

BITS = (8, 10, 12, 14, 16)
TOMOGRAPHY: Range = (-1024, 3071)
"""The range of computed tomography, in Hounsfield units: 12 bits that begin at -1024."""
WHOLE = sorted(
    [*((0, 2**n - 1) for n in BITS), *((-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in BITS), TOMOGRAPHY],
    key=lambda limits: (limits[1] - limits[0], limits == TOMOGRAPHY, limits[0] < 0),
)
"""Usual ranges of whole numbers, the narrowest first."""
FRACTIONS: tuple[Range, ...] = ((0, 1), (-1, 1))
TOLERANCE = 0.05
"""Floating-point values may exceed a range by this share of it, as resizing and rounding make them do."""
LEAST_USED = 0.25
"""The share of the largest number in a range that floating-point values reach at least, where the range is theirs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The values in files of one kind, which is one of `KINDS`.

    Attributes:
        low: the smallest finite value; infinity where there is none.
        high: the largest finite value; minus infinity where there is none.
        files: how many files these are.
        not_finite: how many of the files have pixels that are not finite.
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
    """The narrowest usual range that holds all values; from the smallest to the largest of them where none does.

    >>> usual(Seen("uint16", 3, 3900)), usual(Seen("int16", -900, 2800)), usual(Seen("float32", -0.001, 1.0001))
    ((0, 4095), (-1024, 3071), (0, 1))
    """
    if seen.low > seen.high:
        return FRACTIONS[0]
    holding = (limits for limits in _usual_ranges(seen) if _holds(limits, seen))
    return next(holding, (seen.low, seen.high if seen.high > seen.low else seen.low + 1))


def _usual_ranges(seen: Seen) -> list[Range]:
    """The ranges that values of a kind may have; floating-point values of which all are small use no wide range."""
    if seen.kind != "float32":
        return WHOLE
    used = max(abs(seen.low), abs(seen.high))
    return [*FRACTIONS, *(limits for limits in WHOLE if used > LEAST_USED * max(map(abs, limits)))]


def _holds(limits: Range, seen: Seen) -> bool:
    low, high = limits
    spare = TOLERANCE * (high - low) if seen.kind == "float32" else 0
    return low - spare <= seen.low and seen.high <= high + spare


def levels(values: NDArray[np.generic], limits: Range) -> NDArray[np.uint8]:
    """Values (H, ...) as 0 to 255, linearly: those below the range, and those not finite, as 0, those above as 255."""
    return np.stack([_levels(row, *limits) for row in values])  # row by row: a large image has few floats at a time


def _levels(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    numbers = values.astype(np.promote_types(values.dtype, np.float32))
    scaled = (np.where(np.isfinite(numbers), numbers, low) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def for_all_kinds(limits: Range | None) -> dict[str, Range]:
    """The range that a user chose, for every kind; empty where none was chosen."""
    return {} if limits is None else dict.fromkeys(KINDS, checked_range(limits))


def check_needed(chosen: Range | None, found: Mapping[str, object], where: str) -> None:
    """Refuse a range that a user chose for files of which none has values of more than 8 bits."""
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
    """Report how values of more than 8 bits, in the folder `where`, are read, and where some are not finite."""
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
