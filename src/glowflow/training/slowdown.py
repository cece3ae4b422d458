"""Noticing that a training has become much slower, for example because other programs need the same cores."""

from glowflow.errors import counted

SECONDS_OF_WINDOW = 30.0
"""The time over which a rate is measured."""
HALF, RECOVERED = 0.5, 0.75
"""Shares of the best rate. Below the first one a training has slowed down; above the second one it has recovered."""
WINDOWS = 2
"""How many windows in a row have to be slow, or fast again."""


class Slowdown:
    """Watches the rate of a training, and reports once when it has fallen to half. After it recovers, again."""

    def __init__(self, threads: int) -> None:
        """Watch a training that computes with so many threads."""
        self.threads = threads
        self.best = 0.0
        """Images per second."""
        self._images, self._seconds = 0, 0.0
        self._is_slow, self._others = False, 0

    def after(self, images: int, seconds: float) -> str | None:
        """The message after a step of so many images, if there is one."""
        self._images, self._seconds = self._images + images, self._seconds + seconds
        if self._seconds < SECONDS_OF_WINDOW:
            return None
        rate = self._images / self._seconds
        self._images, self._seconds = 0, 0.0
        return self._after_window(rate)

    def _after_window(self, rate: float) -> str | None:
        self.best = max(self.best, rate)
        changes = rate > RECOVERED * self.best if self._is_slow else rate <= HALF * self.best
        self._others = self._others + 1 if changes else 0
        if self._others < WINDOWS:
            return None
        self._is_slow, self._others = not self._is_slow, 0
        return self._told(rate) if self._is_slow else None

    def _told(self, rate: float) -> str:
        fallen = f"The training has slowed down from {self.best:.3g} to {rate:.3g} images/s. Other programs may need"
        if self.threads == 1:
            return f"{fallen} its core. It has 1 thread (--threads), which suffers least."
        return (
            f"{fallen} its cores, and its {counted(self.threads, 'thread')} wait for each other then. "
            "End it by Ctrl-C, and the same command with --threads 1 goes on, perhaps faster."
        )
