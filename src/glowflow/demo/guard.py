"""A guard around the application: it limits who may ask and how many at a time, and adds security headers."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glowflow.demo.answers import busy, error
from glowflow.errors import listed

MOST_REQUESTS = 200
"""The most requests that are answered at a time; others are asked to come back."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Guard:
    """Refuses requests for other hosts, refuses too many requests, and adds the security headers to every answer.

    Starlette's TrustedHostMiddleware and uvicorn's limit_concurrency refuse in plain text, without these headers, and
    say neither which names are right nor when to come back.

    Args:
        app: The application that answers.
        hosts: The names that a browser may use for the server; None allows any. They prevent DNS rebinding, by which
            another page could make its own name lead to this address.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None = None) -> None:
        self.app = app
        self._hosts = hosts
        self._num_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *ENCODED]}
            await send(message)

        self._num_requests += 1
        try:
            await (self._refusal(scope) or self.app)(scope, receive, guarded)
        finally:
            self._num_requests -= 1

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if self._hosts is not None and _hostname(scope) not in self._hosts:
            own = listed(sorted(self._hosts))
            return error(400, f"The request is for another host: this server is {own} (behind a proxy, see --behind).")
        return busy() if self._num_requests > MOST_REQUESTS else None


def _hostname(scope: Scope) -> str | None:
    """The name in the Host header, without the port."""
    try:
        return urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname
    except ValueError:
        return None
