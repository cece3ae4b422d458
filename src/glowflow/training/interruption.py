"""Stopping at a good moment: Ctrl-C and SIGTERM ask the loop to save and leave."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a signal has asked to stop, and which."""

    signum: int | None = None

    def _receive(self, signum: int, _: FrameType | None) -> None:
        if self.signum is not None:  # asked twice: at once
            raise KeyboardInterrupt
        self.signum = signum


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; a second one interrupts as usual."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread receives signals
        return
    previous = {signum: signal.signal(signum, request._receive) for signum in SIGNALS}
    try:
        yield request
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
