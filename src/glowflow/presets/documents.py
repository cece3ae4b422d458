"""YAML documents that have names: those in a folder of the package, and a user's own files."""

import difflib
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from glowflow.errors import InputError


def names_in(folder: Traversable) -> list[str]:
    """The documents that come with glowflow."""
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))


def is_file(name: str) -> bool:
    """Whether this is the name of a file rather than of a document that comes with glowflow."""
    return name.endswith((".yaml", ".yml"))


def read(folder: Traversable, name: str, kind: str, listing: str) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """The contents of a document in the folder, by its name, or of a file of one's own.

    Args:
        folder: Where the documents are that come with glowflow.
        name: Of one of them, or a file's path.
        kind: What such a document is called.
        listing: What shows their names, for the message.

    Raises:
        InputError: If there is no such document, or it isn't YAML.
    """
    if name in names_in(folder):
        return _parsed((folder / f"{name}.yaml").read_text(), name)
    if not is_file(name):
        meant = _suggestion(name, names_in(folder), f"{listing} lists them")
        raise InputError(f"There is no {kind} {name!r}: {meant}.")
    try:
        return _parsed(Path(name).read_text(), name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} can't be read: {getattr(error, 'strerror', None) or error}.") from None


def _parsed(text: str, source: str) -> Any:  # noqa: ANN401
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source} isn't YAML: {' '.join(str(error).split())}.") from None


def check_keys(content: object, allowed: Sequence[str], source: str) -> None:
    """Refuse what isn't a mapping, or has a key that isn't allowed, with an InputError that says where."""
    if not isinstance(content, dict):
        raise InputError(f"{source} should hold keys and values: {', '.join(allowed)}.")
    for key in content:
        if key not in allowed:
            raise InputError(f"{source} has an unknown key {key!r}: {_suggestion(str(key), allowed)}.")


def _suggestion(name: str, possible: Sequence[str], otherwise: str = "") -> str:
    near = difflib.get_close_matches(name, possible, n=1, cutoff=0.5)
    return f"perhaps {near[0]!r} is meant" if near else otherwise or f"it takes {', '.join(possible)}"
