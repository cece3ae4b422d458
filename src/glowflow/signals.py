"""The signals that ask a process to end. They come from its user, a scheduler, or a terminal that is closed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class EndedError(KeyboardInterrupt):
    """The signal `signum` has asked this process to end. Like Ctrl-C, this isn't an `Exception`."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"signal {signum}")
        self.signum = signum


def requests() -> list[signal.Signals]:
    """The signals that ask this process to end.

    They are SIGINT (Ctrl-C), SIGTERM, SIGHUP (a terminal is closed) and SIGUSR1 (Slurm can send it before a time
    limit). Windows lacks the last two. SIGHUP doesn't count if it's ignored, as under nohup. It does count under
    torchrun, which listens to it anyway, and ends its processes.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    known = [signal.Signals[name] for name in names if hasattr(signal, name)]
    return [each for each in known if each.name != "SIGHUP" or not _is_ignored(each) or is_launched()]


def is_launched() -> bool:
    """True if torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def ending_by_error() -> Iterator[None]:
    """Have signals raise an `EndedError`, so that half-written files are removed, and workers end.

    A process of torchrun ends at once instead, because it may be waiting for another one and unable to raise.
    """
    if is_launched() or threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [signum for signum in requests() if signum != signal.SIGINT]  # which raises by itself
    previous = {signum: signal.signal(signum, _end) for signum in wanted}
    try:
        yield
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


def let_closed_terminals_go() -> None:
    """Drop what is written to a terminal that has been closed. Otherwise writing would fail, and end the work."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _end(signum: int, _: FrameType | None) -> None:
    let_closed_terminals_go()
    raise EndedError(signum)


def _is_ignored(signum: signal.Signals) -> bool:
    return signal.getsignal(signum) == signal.SIG_IGN
