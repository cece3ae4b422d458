"""A demo server in a process of its own, for measurements."""

import re
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PAGE = resource.getpagesize()


class Server(NamedTuple):
    """A server that runs."""

    address: str
    process: int
    drawing: str
    """What it says about what draws the previews."""


@contextmanager
def started(model: str) -> Iterator[Server]:
    """Run `glowflow demo MODEL`."""
    command = [sys.executable, "-m", "glowflow", "demo", model, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = (re.search(r"(http://\S+) \([^)]*\)\.(.*)", line) for line in process.stderr or ())
            if (said := next(filter(None, found), None)) is None:
                raise RuntimeError(f"The server of {model} didn't start.")
            _await(said[1])
            yield Server(said[1], process.pid, said[2].strip())
        finally:
            process.terminate()


def _await(address: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=60).close()  # noqa: S310 (the server's own)
            return
        except OSError:
            time.sleep(0.1)


def resident_megabytes(process: int) -> float:
    """The resident memory of a process in bytes (Linux only)."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE / 1e6
