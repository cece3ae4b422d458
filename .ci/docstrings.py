"""Docstrings as the site shows them: examples as code, and what is filled in at run time."""

import inspect
import re
from importlib import import_module
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)
"""A doctest, up to the next empty line."""
PLACEHOLDER = re.compile(r"\{\w+\}")
"""A name that a module replaces in its docstrings when it is imported."""


class Docstrings(griffe.Extension):
    """Changes docstrings after they were read and before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401 (griffe's)
        """Change one object's docstring."""
        if obj.docstring:
            text = obj.docstring.value
            text = _at_run_time(obj) if obj.is_class and PLACEHOLDER.search(text) else text
            obj.docstring.value = EXAMPLE.sub(lambda example: f"```pycon\n{example[0]}\n```", text)


def _at_run_time(obj: griffe.Object) -> str:
    return inspect.getdoc(getattr(import_module(obj.module.path), obj.name)) or ""
