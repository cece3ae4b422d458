"""Standard output and standard error as they are found: closed, full, gone, or unable to show a character."""

import io
import os
import sys
from contextlib import suppress
from typing import IO, TextIO, cast

from rich.console import Console


def prepare() -> None:
    r"""Make both streams take whatever is written to them.

    A character that the terminal's encoding lacks is written as its number (`\u00e9`). A stream that the user closed
    (`>&-`) is replaced by one that drops what it's given, so that no other file takes its number.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Drop what standard output still holds: Python would report it when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output(width: int | None = None) -> Console:
    """Standard output for tables and text, which are printed as they are: `[red]` and `:smile:` mean nothing."""
    return _Output(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which ends every command alike."""
        raise  # noqa: PLE0704 (the BrokenPipeError that is being handled)


class Reports(io.TextIOBase):
    """Standard error for reports on work. The work goes on where they can't be written."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            _error().write(text)
        return len(text)

    def flush(self) -> None:
        """Bring it to the terminal or the file."""
        with suppress(OSError, ValueError):
            _error().flush()

    def isatty(self) -> bool:
        """Whether standard error is a terminal."""
        with suppress(ValueError):
            return _error().isatty()
        return False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of standard error."""
        return _error().encoding or "utf-8"


def reports() -> Console:
    """Standard error for one line or a live bar, printed as they are."""
    return Console(file=cast("IO[str]", Reports()), markup=False, emoji=False, highlight=False)


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def _error() -> TextIO:
    """Standard error itself, also while a live bar has taken its place; without one, a stream that drops everything."""
    stream: TextIO | None = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return cast("TextIO", _Nowhere()) if stream is None else stream
