"""A limit on the pixels that are decoded at once, so that memory doesn't grow with the number of cores."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from glowflow.allocator import give_back_freed_memory


class InFlight:
    """Room for some number of pixels, shared by the threads that decode images.

    Images of at most `most` pixels are decoded at once. Freed memory is given back when a quarter as many pixels
    have been freed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.pixels = 0
        self.freed = 0
        self._changed = Condition()

    @contextmanager
    def room(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for so many pixels. An image larger than all the room is admitted alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self.pixels or self.pixels + pixels <= self.most)
            self.pixels += pixels
        try:
            yield
        finally:
            self._leave(pixels)

    def _leave(self, pixels: int) -> None:
        with self._changed:
            self.freed += pixels
            if self.freed > self.most // 4:
                give_back_freed_memory()
                self.freed = 0
            self.pixels -= pixels
            self._changed.notify_all()
