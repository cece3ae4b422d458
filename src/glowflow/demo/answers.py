"""Answers in JSON, and those that clients get for mistakes, theirs or the server's."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from glowflow.demo.engine import BusyError


class Json(JSONResponse):
    """JSON in ASCII, which can hold names of any bytes."""

    def render(self, content: object) -> bytes:
        """The content as it's sent."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def error(status: int, sentence: str, headers: dict[str, str] | None = None) -> Json:
    """An error as every client gets it."""
    return Json({"error": sentence}, status, headers)


def busy() -> Json:
    """The answer if too many ask; the rest of the request isn't read."""
    headers = {"Retry-After": "1", "Connection": "close"}
    return error(503, "Too many others are asking at this moment: try again soon.", headers)


async def _refused(_: Request, problem: Exception) -> Response:
    """The answer to a client's mistake."""
    assert isinstance(problem, HTTPException)  # noqa: S101  for mypy: it's registered for these
    sentences = {404: "There is nothing at this address.", 405: "This address doesn't take that method."}
    sentence = sentences.get(problem.status_code, problem.detail)
    return error(problem.status_code, sentence, dict(problem.headers or {}))


async def _busy(_request: Request, _problem: Exception) -> Response:
    return busy()


async def _gone(_request: Request, _problem: Exception) -> Response:
    return error(400, "The connection ended before the request did.")  # nobody reads it


async def _failed(_request: Request, _problem: Exception) -> Response:
    return error(500, "The server made a mistake. The terminal that started it shows the details.")


HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: _refused,
    BusyError: _busy,
    ClientDisconnect: _gone,
    Exception: _failed,
}
"""The answer to each exception that an endpoint raises."""
