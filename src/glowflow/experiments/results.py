"""The stored results of trainings, and the numbers that figures and tables take from them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Line = dict[str, Any]
"""The stored results of one training."""
Value = Callable[[Line], float | None]


def bits(line: Line) -> float | None:
    """Bits/dim at a training's end; None where it diverged."""
    return line.get("bits_per_dim")


def bits_after(seconds: float, seconds_per_image: Mapping[str, float]) -> Value:
    """The function that takes the bits/dim after so many seconds of training steps from a line's validation curve.

    Between two validations it's interpolated. None where the training diverged, or wasn't validated before.

    Args:
        seconds: The time.
        seconds_per_image: The time of a step, divided by its images, by variation.
    """

    def value(line: Line) -> float | None:
        images, curve = seconds / seconds_per_image[line["variation"]], line["curve"]
        if line["diverged"] or not curve or images < curve[0][0]:
            return None
        return float(np.interp(images, [count for count, _ in curve], [found for _, found in curve]))

    return value


def marked(variation: str, lines: Sequence[Line]) -> str:
    """A variation's name, with a mark if its bits/dim are a bound of another kind than those of uniform noise."""
    return variation + " (bound)" * any(line.get("bound") for line in lines if line["variation"] == variation)


def by_seed(lines: Sequence[Line], variation: str, value: Value) -> dict[int, float]:
    """A variation's results, by seed."""
    found = {line["seed"]: value(line) for line in lines if line["variation"] == variation}
    return {seed: result for seed, result in found.items() if result is not None}


def quality_at(temperature: float, measure: str = "kid") -> Value:
    """The function that takes the KID, precision or recall of samples at this temperature from a line."""

    def value(line: Line) -> float | None:
        of_older_versions = {at: {"kid": kid} for at, kid in (line.get("kid") or {}).items()}
        return (line.get("quality") or of_older_versions).get(f"{temperature:g}", {}).get(measure)

    return value
