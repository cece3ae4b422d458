"""Checks of settings, each refusing with one sentence that names the setting."""

from numbers import Integral

from glowflow.errors import InputError

LARGEST_WHOLE = 2**63 - 1


def is_whole(value: object) -> bool:
    """Whether this is a whole number; true and false aren't."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_whole(name: str, value: int, low: int, high: int = LARGEST_WHOLE) -> None:
    """Refuse what isn't a whole number in a range, with an InputError that names it."""
    if not (is_whole(value) and low <= value <= high):
        allowed = f"at least {low}" if high == LARGEST_WHOLE else f"from {low} to {high}"
        raise InputError(f"{name} is {value}; it takes a whole number {allowed}.")


def check_number(name: str, value: float | None, low: float, below: float = float("inf")) -> None:
    """Refuse what isn't a number in a range, with an InputError that names it."""
    if not (isinstance(value, int | float) and low <= value < below):
        allowed = f"of at least {low}" if below == float("inf") else f"from {low} to below {below}"
        raise InputError(f"{name} is {value}; it takes a number {allowed}.")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse what isn't one of some words, with an InputError that names them."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}; it takes one of {', '.join(choices)}.")
