"""How fast work goes on, and how long it will take."""

import time
from collections import deque
from datetime import timedelta

WINDOW = 60.0
"""Seconds of work that the rate is taken from."""
FEWEST_STEPS, FEWEST_SECONDS = 3, 5.0
"""How much work tells how long the rest will take."""


class Pace:
    """The rate of work that is done in steps, and the time left.

    The first step isn't counted where there are others: it prepares much that the others find ready.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        """Begin now, with `done` of `total` units done before."""
        self.total, self.done = total, done
        self._began = time.monotonic(), done
        self._ends: deque[tuple[float, int]] = deque()
        """When a step ended and what was done then, of those within the window."""

    def advance(self, count: int) -> None:
        """A step of `count` units ends now."""
        now, self.done = time.monotonic(), self.done + count
        self._ends.append((now, self.done))
        while len(self._ends) > FEWEST_STEPS + 1 and now - self._ends[1][0] > WINDOW:
            self._ends.popleft()

    @property
    def seconds(self) -> float:
        """From the beginning to the end of the last step."""
        return self._ends[-1][0] - self._began[0] if self._ends else 0.0

    @property
    def rate(self) -> float:
        """Units per second; 0 before the first step ends."""
        span, count = self._counted()
        return count / max(span, 1e-9) if count else 0.0

    @property
    def left(self) -> timedelta | None:
        """The time left; None until enough is done to tell."""
        span, _ = self._counted()
        if len(self._ends) <= FEWEST_STEPS or span < FEWEST_SECONDS or not self.rate:
            return None
        return timedelta(seconds=round(max(self.total - self.done, 0) / self.rate))

    def _counted(self) -> tuple[float, int]:
        """The seconds and the units that the rate is taken from."""
        if not self._ends:
            return 0.0, 0
        first = self._ends[0] if len(self._ends) > 1 else self._began
        return self._ends[-1][0] - first[0], self._ends[-1][1] - first[1]
