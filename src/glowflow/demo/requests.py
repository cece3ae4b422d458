"""Reading what a client sends, within limits: bodies, numbers and words. A sentence says what's wrong."""

import asyncio
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from starlette.exceptions import HTTPException
from starlette.requests import Request
from torch import Tensor

from glowflow.demo.engine import BusyError
from glowflow.errors import listed
from glowflow.model import Glow

SECONDS = 20.0
"""The time in which a body must arrive."""
Word = TypeVar("Word", bound=str)

NUMBER = r"[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?"
"""A number in a query that may have a fraction. Only ASCII digits are allowed, while `float` takes others."""

CLOSE = {"Connection": "close"}
"""A header for clients whose bodies aren't read to the end."""


class Room:
    """The memory that all bodies may take together.

    Args:
        most: The bytes that it has.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Give `take(count)`, which raises BusyError if too little is left. All that was taken is free at the end."""
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            if count > self._left:
                raise BusyError
            self._left -= count
            taken += count

        try:
            yield take
        finally:
            self._left += taken


async def body(
    request: Request, types: Collection[str], most: int, take: Callable[[int], None] = lambda count: None
) -> bytes:
    """The body of a request.

    Args:
        request: A request whose body hasn't been read.
        types: The content types that are allowed.
        most: The most bytes that are allowed.
        take: Called with the number of bytes whenever some arrive; see `Room`.

    Raises:
        HTTPException: 408 if it's late, 413 if it's too long, 415 for another type.
    """
    if content_type(request) not in types:
        raise HTTPException(415, f"Content-Type should be {listed(sorted(types))}.", CLOSE)
    try:
        async with asyncio.timeout(SECONDS):
            return await _received(request, most, take)
    except TimeoutError:
        raise HTTPException(408, f"The request took longer than {SECONDS:g} seconds to arrive.", CLOSE) from None


def content_type(request: Request) -> str:
    """The content type that the request declares, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _received(request: Request, most: int, take: Callable[[int], None]) -> bytes:
    declared = request.headers.get("content-length", "0")
    too_long = HTTPException(413, f"The request is longer than {most:,} bytes.", CLOSE)
    if not declared.isdecimal() or len(declared) > 15 or int(declared) > most:
        raise too_long
    received = bytearray()
    async for chunk in request.stream():
        take(len(chunk))
        received += chunk
        if len(received) > most:
            raise too_long
    return bytes(received)


def latents(received: bytes, num_dims: int) -> Tensor:
    """Flat latents (D,) from their bytes, little-endian: float32 or float64, as the length says.

    Raises:
        HTTPException: 400 if the length is wrong or a number isn't finite.
    """
    types = {4 * num_dims: "<f4", 8 * num_dims: "<f8"}
    if len(received) not in types:
        lengths = " or ".join(f"{length:,} bytes (float{8 * length // num_dims})" for length in types)
        raise HTTPException(400, f"This model's latents are {lengths}, little-endian; these are {len(received):,}.")
    numbers = np.frombuffer(received, types[len(received)])
    if not np.isfinite(numbers).all():
        raise HTTPException(400, "Some of the latents aren't finite numbers.")
    return torch.from_numpy(numbers.astype(numbers.dtype.newbyteorder("=")))


def whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number in the query; HTTPException 400 if it isn't from low to high."""
    text = request.query_params.get(name, str(default))
    if not re.fullmatch("[0-9]{1,19}", text) or not low <= (value := int(text)) <= high:
        raise HTTPException(400, f"{name} takes a whole number from {low} to {high}.")
    return value


def number(request: Request, name: str, default: float, low: float, high: float) -> float:
    """A number in the query; HTTPException 400 if it isn't from low to high."""
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(NUMBER, text) or not low <= (value := float(text)) <= high:
        raise HTTPException(400, f"{name} takes a number from {low:g} to {high:g}.")
    return value


def choice(request: Request, name: str, choices: Sequence[Word]) -> Word:
    """A word in the query, by default the first choice; HTTPException 400 if it isn't a choice."""
    value = request.query_params.get(name, choices[0])
    for word in choices:
        if word == value:
            return word
    raise HTTPException(400, f"{name} takes one of {', '.join(choices)}.")


def label(request: Request, glow: Glow) -> int | None:
    """The class that a query names by its number; None for a model without classes.

    Raises:
        HTTPException: 400 if the model needs a class and the query has none, or the reverse.
    """
    classes = glow.config.num_classes
    if ("label" in request.query_params) != bool(classes):
        needs = "is class-conditional: give a label" if classes else "isn't class-conditional: it takes no label"
        raise HTTPException(400, f"This model {needs}.")
    return whole(request, "label", 0, 0, classes - 1) if classes else None
