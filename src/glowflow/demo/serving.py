"""Serving an application at an address: the socket, uvicorn, and connections that end if nothing happens."""

import asyncio
import errno
import json
import logging
import os
import socket
import warnings
from contextlib import suppress
from ipaddress import ip_address

import h11
import torch
import uvicorn
from PIL import Image
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from glowflow.demo.answers import busy
from glowflow.demo.guard import HEADERS, Guard
from glowflow.errors import InputError

MOST_CONNECTIONS = 1000
SECONDS = 60.0
"""A connection without a request, or whose answer isn't read, is closed after this time, or at most twice this."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Connection(H11Protocol):
    """An HTTP connection that ends if no request begins, or its answer isn't read, in time.

    While the application works on an answer, its own deadline holds.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.app = Guard(busy())
        self._check(object())

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        super().connection_lost(exc)
        self._next_check.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what isn't HTTP, in the same form as all other errors."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            headers = [("Content-Type", "application/json"), ("Connection", "close"), *HEADERS.items()]
            body = json.dumps({"error": msg}).encode()
            for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _check(self, last: object) -> None:
        is_awaited = self.cycle is not None and not self.cycle.response_started
        if self.cycle is last and not is_awaited:
            self.transport.abort()
        self._next_check = self.loop.call_later(SECONDS, self._check, object() if is_awaited else self.cycle)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens at an address.

    Raises:
        InputError: If this is impossible.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=MOST_CONNECTIONS)
    except socket.gaierror:
        raise InputError(f"--host is {host}, which isn't an address of this machine.") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise InputError(f"--host is {host}, which isn't an address of this machine.") from None
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken: choose another by --port" if taken else f"can't be used: {os.strerror(error.errno or 0)}"
        raise InputError(f"Port {port} of {host} {reason}.") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it: no 40 ms for a late ACK
    return listener


def hosts(listener: socket.socket, host: str, behind: str | None = None) -> frozenset[str] | None:
    """The names that a browser may use for a server that only this machine can reach; None for other servers.

    Args:
        listener: The server's socket.
        host: The user's name for its address.
        behind: The name of a proxy in front of it, if there is one.
    """
    if not is_local(listener):
        return None
    return LOOPBACK | {name.lower() for name in (host, behind) if name}


def is_local(listener: socket.socket) -> bool:
    """True if only this machine can reach a server with this socket."""
    return ip_address(listener.getsockname()[0]).is_loopback


def configuration(app: ASGIApp) -> uvicorn.Config:
    """Uvicorn's settings for serving an application."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C."""
    _silence_pillow()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # clients' mistakes aren't logged
    with suppress(KeyboardInterrupt):
        uvicorn.Server(configuration(app)).run(sockets=[listener])


def leave_a_core() -> None:
    """Leave a core to connections and to a browser on this machine: the model's threads spin while they wait."""
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))


def url(listener: socket.socket) -> str:
    """The address to type into a browser."""
    host, port = listener.getsockname()[:2]
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def _silence_pillow() -> None:
    """Silence warnings about strangers' files: Python keeps the text of each, so they would fill the memory."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
