"""How fast work proceeds, and how much time it still needs."""

import time
from collections import deque
from datetime import timedelta

WINDOW = 60.0
"""The time, in seconds, over which the rate is computed."""
FEWEST_STEPS, FEWEST_SECONDS = 3, 5.0
"""How much work has to be done before the time left is known."""


class Pace:
    """The rate of work that is done in steps, and the time left.

    If there are several steps, the first one isn't counted, because it also prepares things for the others.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        """Begin now; `done` of `total` units were done before."""
        self.total, self.done = total, done
        self._began = time.monotonic(), done
        self._ends: deque[tuple[float, int]] = deque()
        """The time at which each step within the window ended, and how many units were done then."""

    def advance(self, count: int) -> None:
        """Note that a step of `count` units ends now."""
        now, self.done = time.monotonic(), self.done + count
        self._ends.append((now, self.done))
        while len(self._ends) > FEWEST_STEPS + 1 and now - self._ends[1][0] > WINDOW:
            self._ends.popleft()

    @property
    def seconds(self) -> float:
        """The time from the beginning to the end of the last step."""
        return self._ends[-1][0] - self._began[0] if self._ends else 0.0

    @property
    def rate(self) -> float:
        """Units per second; 0 before the first step ends."""
        span, count = self._counted()
        return count / max(span, 1e-9) if count else 0.0

    @property
    def left(self) -> timedelta | None:
        """The time left; None until it's known."""
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
