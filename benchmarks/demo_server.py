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

PAGE = resource.getpagesize()


@contextmanager
def started(model: str) -> Iterator[tuple[str, int]]:
    """Run `glowflow demo MODEL`; its address and its process's id."""
    command = [sys.executable, "-m", "glowflow", "demo", model, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r"http://\S+", process.stderr.readline()) if process.stderr else None
            if not found:
                raise RuntimeError(f"The server of {model} didn't start.")
            _await(found[0])
            yield found[0], process.pid
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
