"""The reference of the command line: what the commands themselves say, by their names, signatures and docstrings."""

import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter
from typing import Any

from glowflow.arguments import Argument, taken
from glowflow.checks import typed
from glowflow.cli import COMMANDS

MARK = "<!-- commands -->"


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
    return "\n\n".join([*head, *map(_entry, taken(command))])


def _entry(argument: Argument) -> str:
    """An argument and its definition."""
    has_default = argument.default not in {None, False, "", Parameter.empty}
    name = argument.names[0] if not argument.is_placed else argument.name.upper()
    said = f" Default: `{typed(argument.default)}`." if has_default else ""
    return f"`{name}`\n:   {argument.text}{said}"
