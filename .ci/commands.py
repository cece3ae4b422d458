"""The reference of the command line: what the commands themselves say, by their names, signatures and docstrings."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import MISSING, fields, is_dataclass
from io import StringIO
from typing import Any

from glowflow.cli import COMMANDS, main

MARK = "<!-- commands -->"
ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n     .*)*)", re.MULTILINE)
"""An argument in a docstring, and what is said about it."""


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401 (MkDocs' own types)
    """The text of a page, with the reference in the place of its mark."""
    return markdown.replace(MARK, "\n\n".join(_sections(COMMANDS))) if MARK in markdown else markdown


def _sections(commands: dict[str, Any], *before: str) -> Iterator[str]:
    for name, command in commands.items():
        words = (*before, name)
        yield from _sections(command, *words) if isinstance(command, dict) else [_section(words, command)]


def _section(words: tuple[str, ...], command: Callable[..., None]) -> str:
    """A command: what it does, an example, and each of its arguments."""
    about, _, _ = (inspect.getdoc(command) or "").partition("\nArgs:")
    summary, example, *rest = about.strip().split("\n\n")
    example = example.removeprefix("Example:").strip()
    head = [f"## glowflow {' '.join(words)}", summary, f"```\n{example}\n```", *rest]
    return "\n\n".join([*head, *_arguments(command, _usage(words))])


def _usage(words: tuple[str, ...]) -> str:
    """The first lines of the command's `--help`."""
    with redirect_stdout(StringIO()) as shown, suppress(SystemExit):
        main([*words, "--help"])
    return shown.getvalue().partition("\n\n")[0]


def _arguments(command: Callable[..., None], usage: str) -> Iterator[str]:
    texts = dict(ARGUMENT.findall(inspect.getdoc(command) or ""))
    parameters = inspect.signature(command).parameters
    settings = {name: each.annotation for name, each in parameters.items() if is_dataclass(each.annotation)}
    for name, parameter in parameters.items():
        if name in settings:
            continue
        if parameter.default is inspect.Parameter.empty:
            yield _entry(name.upper(), texts[name])
        elif f"[{name}]" in usage.lower():  # a word that may be left out
            yield _entry(f"[{name.upper()}]", texts[name], parameter.default)
        else:
            yield _entry(_option(name, usage), texts[name], parameter.default)
    for name, kind in settings.items():
        yield from _settings(name, kind)


def _option(name: str, usage: str) -> str:
    """An option as the command line has it: some are called by the first part of a parameter's name."""
    options = re.findall(r"--(\w+)", usage)
    return f"--{max((option for option in options if name.startswith(option)), key=len)}"


def _settings(part: str, kind: type) -> Iterator[str]:
    """The settings of a configuration."""
    texts = dict(ARGUMENT.findall(inspect.getdoc(kind) or ""))
    for field in fields(kind):
        yield _entry(f"--{part}.{field.name}", texts[field.name], None if field.default is MISSING else field.default)


def _entry(name: str, text: str, default: object = None) -> str:
    """A term and its definition."""
    has_default = default is not None and default is not False and default != ""
    said = f" Default: `{str(default).lower() if isinstance(default, bool) else default}`." if has_default else ""
    return f"`{name}`\n:   {' '.join(text.split())}{said}"
