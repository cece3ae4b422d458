"""Requests to stop: a signal (see `glowflow.signals`) or the clock asks the training to save and end."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from glowflow.signals import let_closed_terminals_go, requests

SECONDS_FOR_ONE_REQUEST = 1.0
"""Signals within this time are one request: torchrun sends its processes the Ctrl-C that they get anyway."""


class StopRequest:
    """Notes if the clock or a signal asks to stop; `signum` is the first such signal."""

    signum: int | None = None
    _since = 0.0

    def __init__(self, seconds: float) -> None:
        """Become due in so many seconds, or at the first signal."""
        self._deadline = time.monotonic() + seconds

    @property
    def is_due(self) -> bool:
        """True if it's time to stop."""
        return self.signum is not None or time.monotonic() >= self._deadline

    def _receive(self, signum: int, _: FrameType | None) -> None:
        let_closed_terminals_go()
        if self.signum is None:
            self.signum, self._since = signum, time.monotonic()
        elif signum == signal.SIGINT and time.monotonic() - self._since > SECONDS_FOR_ONE_REQUEST:
            # A second Ctrl-C ends at once. A second SIGTERM doesn't: torchrun sends it when another process has ended
            raise KeyboardInterrupt


@contextmanager
def stop_requests(seconds: float) -> Iterator[StopRequest]:
    """Turn the first signal, or the end of the time, into a request. A second Ctrl-C interrupts."""
    request = StopRequest(seconds)
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread receives signals
        return
    previous = {signum: signal.signal(signum, request._receive) for signum in requests()}
    try:
        yield request
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
