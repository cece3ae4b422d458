"""The stored results of trainings, and the numbers that figures and tables take from them."""

from collections.abc import Callable, Sequence
from typing import Any

Line = dict[str, Any]
"""The stored results of one training."""
Value = Callable[[Line], float | None]


def bits(line: Line) -> float | None:
    """Bits/dim at a training's end; None where it diverged."""
    return line.get("bits_per_dim")


def by_seed(lines: Sequence[Line], variation: str, value: Value) -> dict[int, float]:
    """A variation's results, by seed."""
    found = {line["seed"]: value(line) for line in lines if line["variation"] == variation}
    return {seed: result for seed, result in found.items() if result is not None}


def kid_at(temperature: float) -> Value:
    """The function that takes the KID of samples at this temperature from a line."""
    return lambda line: (line.get("kid") or {}).get(f"{temperature:g}")
