"""Checks of settings. Each raises an InputError that names the setting in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite
from numbers import Integral
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from glowflow.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LARGEST_WHOLE = 2**63 - 1

PART = "a name, or {kind: NAME, option: value}"

PLAIN: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    dict[str, Any]: "a mapping",
    list[str]: "text",
    list[Path]: "paths",
    tuple[float, float]: "two numbers, such as 0,4095",
    tuple[int, int, int]: "three whole numbers, such as 3,32,32",
    tuple[int, ...]: "a list of whole numbers",
    tuple[float, ...]: "a list of numbers",
    tuple[dict[str, Any] | str, ...]: "a list of these",
    tuple[str, ...]: "a list of names",
    tuple[tuple[str, ...], ...]: "a list of lists of names",
    dict[str, Any] | str: PART,
    dict[str, Any] | str | tuple[dict[str, Any] | str, ...]: f"{PART}; or a list of these",
}
"""Types in plain words."""


def is_whole(value: object) -> bool:
    """True for a whole number, but not for True and False."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_whole(name: str, value: int, low: int, high: int = LARGEST_WHOLE) -> None:
    """Refuse a value that isn't a whole number from `low` to `high`."""
    if not (is_whole(value) and low <= value <= high):
        allowed = f"of at least {low}" if high == LARGEST_WHOLE else f"from {low} to {high}"
        raise InputError(f"{name} is {value}; it takes a whole number {allowed}.")


def check_divides(name: str, value: int, what: str, *wholes: int) -> None:
    """Refuse a number that doesn't divide others, which are described by `what`."""
    if any(whole % value for whole in wholes):
        raise InputError(f"{name} is {value}; it takes a divisor of {what}, {' and '.join(map(str, wholes))}.")


def check_number(name: str, value: float | None, low: float, below: float = float("inf")) -> None:
    """Refuse a value that isn't a number of at least `low` and less than `below`."""
    if not (isinstance(value, int | float) and low <= value < below):
        allowed = f"of at least {low}" if below == float("inf") else f"from {low} to below {below}"
        raise InputError(f"{name} is {value}; it takes a number {allowed}.")


def check_type(name: str, value: object, kind: Any, said: str = "") -> None:  # noqa: ANN401 (a type)
    """Refuse what isn't of a type, with an InputError that names it, as the user said it."""
    if not fits(value, kind):
        raise InputError(f"{name} is {said or value}; it takes {described(kind)}.")


def make_plain(config: "DataclassInstance") -> None:
    """Convert every field of a configuration to Python's own types, which JSON and YAML can hold."""
    for field in fields(config):
        object.__setattr__(config, field.name, plain(getattr(config, field.name)))


def plain(value: Any) -> Any:  # noqa: ANN401 (of any type)
    """Convert a value: arrays and numbers of NumPy and torch by their `tolist`, sequences to tuples."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(map(plain, value)) if isinstance(value, tuple | list) else value


def check_types(config: "DataclassInstance") -> None:
    """Refuse a configuration with a field that isn't of its type."""
    for field in fields(config):
        check_type(field.name, getattr(config, field.name), field.type)


def checked_range(limits: Sequence[float]) -> tuple[float, float]:
    """The value range; InputError if it isn't two finite numbers, the smaller first."""
    numbers = [limit for limit in limits if isinstance(limit, int | float) and isfinite(limit)]
    if not len(limits) == len(numbers) == 2 or not numbers[0] < numbers[1]:
        given = ",".join(map(str, limits))
        raise InputError(f"The value range is {given}; it takes two numbers, the smaller first, such as 0,4095.")
    return numbers[0], numbers[1]


def fits(value: object, kind: Any) -> bool:  # noqa: ANN401 (a type)
    """True if a value is of a type. As in YAML, a whole number is also a number, and a list stands for a tuple.

    >>> fits(3, float | None), fits([3, 8, 8], tuple[int, int, int]), fits(True, int)
    (True, True, False)
    """
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in {Union, UnionType}:
        return any(fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if isinstance(value, list | tuple) and origin is tuple:
        inner = inner[:1] * len(value) if ... in inner else inner
        return len(value) == len(inner) and all(map(fits, value, inner))
    if origin in {int, float}:
        return is_whole(value) or (origin is float and isinstance(value, float))
    return kind not in {*PLAIN, NoneType} or isinstance(value, origin)


def typed(value: object) -> str:
    """A value as one types it on the command line.

    >>> typed((8, 16)), typed(True), typed({"kind": "residual", "blocks": 1}), typed(0.001)
    ('8,16', 'true', '{kind: residual, blocks: 1}', '0.001')
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {typed(each)}' for name, each in value.items())}}}"
    if isinstance(value, tuple | list):
        return ",".join(map(typed, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def described(kind: Any) -> str:  # noqa: ANN401 (a type)
    """Describe the values of a type in plain words.

    >>> described(float | tuple[float, ...] | None), described(Literal["store", "checkpoint"])
    ('a number or a list of numbers', 'one of store, checkpoint')
    """
    if kind not in PLAIN and get_origin(kind) in {Union, UnionType}:
        return " or ".join(described(each) for each in get_args(kind) if each is not NoneType)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    return PLAIN.get(kind, "something else")
