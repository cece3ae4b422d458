"""Named YAML documents: those in a folder of the package, and a user's own files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from glowflow.checks import fits
from glowflow.errors import InputError, meant, one_line
from glowflow.paths import expanded


def names_in(folder: Traversable) -> list[str]:
    """The documents that come with glowflow."""
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))


def is_file(name: str) -> bool:
    """True for the name of a user's file, and not of a document that comes with glowflow."""
    return name.endswith((".yaml", ".yml"))


def read(folder: Traversable, name: str, kind: str, listing: str) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """The contents of a document in the folder, by its name, or of a user's own file.

    Args:
        folder: The documents that come with glowflow.
        name: The name of one of them, or the path of a file.
        kind: What messages call such a document.
        listing: The command that lists them.

    Raises:
        InputError: If there is no such document, or it isn't YAML.
    """
    if name in names_in(folder):
        return parsed((folder / f"{name}.yaml").read_text(encoding="utf-8"), name)
    if not is_file(name):
        hint = meant(name, {each: repr(each) for each in names_in(folder)}, f"{listing} lists them")
        raise InputError(f"There is no {kind} {name!r}: {hint}.")
    try:
        return parsed(Path(expanded(name)).read_text(encoding="utf-8"), name)
    except UnicodeDecodeError:
        raise InputError(f"{name} can't be read: it isn't text in UTF-8.") from None
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror or error}.") from None


def parsed(text: str, source: str) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """The value of a YAML text; InputError, which names the source, if it isn't YAML."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a safe one)
    except yaml.YAMLError as error:
        raise InputError(f"{source} isn't YAML: {one_line(error)}.") from None


class _Loader(yaml.SafeLoader):
    """YAML with numbers as people read them: 1e-3 is a number, which PyYAML reads as text, and 010 is ten."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return int(node.value) if re.fullmatch("[-+]?0[0-9_]+", node.value) else super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def check_text(content: Mapping[str, Any], configuration: type, source: str) -> None:
    """Refuse a value that YAML doesn't read as text, if its setting takes text.

    Args:
        content: Settings by name.
        configuration: The dataclass that has them.
        source: The place of the settings, for the message.
    """
    for setting in fields(configuration):
        value = content.get(setting.name, "")
        is_list = isinstance(value, list) and fits([], setting.type)
        if fits("", setting.type) and not (is_list or fits(value, setting.type)):
            read = _read_as(value)
            raise InputError(
                f"{source} sets {setting.name} to what YAML reads as {read}, not as text: put it in quotes."
            )


def _read_as(value: object) -> str:
    """Describe what YAML reads a value as."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case date():
            return f"the date {value}"
        case list():
            return "a list"
        case _:
            return "keys and values"


def check_keys(content: object, allowed: Sequence[str], source: str) -> None:
    """Refuse content that isn't a mapping or has a key that isn't allowed; the InputError names the source."""
    if not isinstance(content, dict):
        raise InputError(f"{source} should hold keys and values: {', '.join(allowed)}.")
    for key in content:
        if key not in allowed:
            hint = meant(str(key), {each: repr(each) for each in allowed}, f"it takes {', '.join(allowed)}")
            raise InputError(f"{source} has an unknown key {key!r}: {hint}.")
