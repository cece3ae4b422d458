"""How much is decoded at once: images are admitted by their pixels, so that memory doesn't grow with cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class InFlight:
    """Room for some number of pixels, shared by the threads that decode images."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.pixels = 0
        self._changed = Condition()

    @contextmanager
    def room(self, pixels: int) -> Iterator[None]:
        """Wait until so many pixels have room; an image that is larger than all the room is admitted alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self.pixels or self.pixels + pixels <= self.most)
            self.pixels += pixels
        try:
            yield
        finally:
            with self._changed:
                self.pixels -= pixels
                self._changed.notify_all()
