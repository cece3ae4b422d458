"""Stopping at a good moment: a signal (see `glowflow.signals`) or the clock asks the loop to save and leave."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from glowflow.signals import let_closed_terminals_go, requests

SECONDS_FOR_ONE_REQUEST = 1.0
"""Ctrl-C reaches a process of torchrun twice, from the terminal and from torchrun."""


class StopRequest:
    """Whether a signal, and which, or the clock has asked to stop."""

    signum: int | None = None
    _since = 0.0

    def __init__(self, seconds: float) -> None:
        """Be due on a signal, or in so many seconds."""
        self._deadline = time.monotonic() + seconds

    @property
    def is_due(self) -> bool:
        """Whether it's time to stop."""
        return self.signum is not None or time.monotonic() >= self._deadline

    def _receive(self, signum: int, _: FrameType | None) -> None:
        let_closed_terminals_go()
        if self.signum is None:
            self.signum, self._since = signum, time.monotonic()
        elif signum == signal.SIGINT and time.monotonic() - self._since > SECONDS_FOR_ONE_REQUEST:
            # a second Ctrl-C: at once. A second SIGTERM is torchrun's, of whose processes another one has left
            raise KeyboardInterrupt


@contextmanager
def stop_requests(seconds: float) -> Iterator[StopRequest]:
    """Turn the first signal, or the end of the seconds, into a request. A second Ctrl-C interrupts."""
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
