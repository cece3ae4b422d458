"""Standard output and standard error, which may be closed, full, gone, or unable to show a character."""

import io
import os
import sys
from contextlib import suppress
from typing import IO, TextIO, cast

from rich.console import Console


def prepare() -> None:
    r"""Make both streams accept every text.

    A character that the terminal's encoding lacks is written as its number (`\u00e9`). A stream that the user closed
    (`>&-`) is replaced by one that drops everything, so that no other file takes its number.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Drop what standard output still holds; otherwise Python would report an error when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output(width: int | None = None) -> Console:
    """Standard output for tables and text. `[red]` and `:smile:` are printed as they are."""
    return _Output(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Raise the error again: the command line handles it in the same way for every command."""
        raise  # noqa: PLE0704 (the BrokenPipeError that is being handled)


class Reports(io.TextIOBase):
    """Standard error for reports on work. If they can't be written, the work goes on."""

    def write(self, text: str) -> int:
        """Write the text if possible."""
        with suppress(OSError, ValueError):
            _error().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush standard error if possible."""
        with suppress(OSError, ValueError):
            _error().flush()

    def isatty(self) -> bool:
        """True if standard error is a terminal."""
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
    """Standard error itself, even while a live bar has replaced it; if it's closed, a stream that drops everything."""
    stream: TextIO | None = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return cast("TextIO", _Nowhere()) if stream is None else stream
