"""A command's arguments: a parser made of its signature and docstring, and the values that a user's words give."""

import re
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from inspect import Parameter, cleandoc, get_annotations, signature
from pathlib import Path
from typing import Any, NoReturn, get_args

from glowflow import plugins, presets, threads
from glowflow.checks import check_type, described, fits
from glowflow.errors import InputError, meant, one_line
from glowflow.paths import expanded
from glowflow.presets import documents

Command = Callable[..., None]

SHORT = {"list_all": "--list", "train.data": "--data", "train.start": "--from", "train.value_range": "--value_range"}
"""Other names of options."""
OPTIONAL = {"model", "name"}
"""Parameters that, where they have a default, may stand without an option's name before them, or be left out."""
FILES = {"data", "model", "name", "plugins", "preset", "train.data", "train.start"}
"""Arguments of text that may name a file or a folder; so do those of type `Path`."""


class Parser(ArgumentParser):
    """A parser that refuses words by an InputError."""

    def error(self, message: str) -> NoReturn:
        """Refuse the words."""
        raise InputError(f"{message.removeprefix('argument ')}; {self.prog} --help tells what is possible.")


@dataclass(frozen=True)
class Argument:
    """What a command takes under a name: a parameter or, as PART.NAME, a setting of a configuration."""

    name: str
    kind: Any
    default: Any
    text: str

    def add_to(self, group: Any) -> None:  # noqa: ANN401 (argparse hides the type of its groups)
        """Let it be given: as a word in its place, as an option without a value, or as one with a value."""
        default = "" if self.default in {None, Parameter.empty} else f"; by default {self.default}"
        about = self.text.replace("%", "%%")
        text = f"{about} ({described(self.kind)}{default})"
        names = sorted({f"--{self.name}", SHORT.get(self.name, f"--{self.name}")})
        number = "+" if self.kind == list[Path] else None if self.default is Parameter.empty else "?"
        if self._is_placed:
            group.add_argument(self.name, nargs=number, default=SUPPRESS, help=text)
        elif self.kind is bool and "." not in self.name:
            group.add_argument(*names, dest=self.name, action="store_true", default=SUPPRESS, help=about)
        else:
            action, shown = "append" if self.kind == list[str] | None else "store", self.name.rpartition(".")[2].upper()
            group.add_argument(*names, dest=self.name, action=action, metavar=shown, default=SUPPRESS, help=text)

    @property
    def _is_placed(self) -> bool:
        return self.name in OPTIONAL or (self.default is Parameter.empty and "." not in self.name)

    def value(self, said: Any) -> Any:  # noqa: ANN401 (of its kind)
        """Its value, of the word that was given for it, of a list of words, or True for an option without one."""
        return [self._read(word) for word in said] if isinstance(said, list) else said is True or self._read(said)

    def _read(self, word: str) -> Any:  # noqa: ANN401
        option = self.name if self._is_placed else f"--{self.name}"
        if Path in {self.kind, *get_args(self.kind)}:
            return Path(place(option, word))
        if described(self.kind) == "text":
            return place(option, word) if self.name in FILES else word
        value = _from_yaml(word)
        value = value if fits(value, self.kind) else word  # such as a part called no
        check_type(option, value, self.kind)
        return tuple(value) if isinstance(value, list) else value


def place(option: str, word: str) -> str:
    """The file or folder that a user named, with the home directory for `~`."""
    if not word:
        raise InputError(f"{option} is empty; it takes a name.")
    return expanded(word)


def _from_yaml(word: str) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """What a word is in YAML, where a list may stand without its brackets."""
    with suppress(InputError):
        value = documents.parsed(word, word)
        return documents.parsed(f"[{word}]", word) if isinstance(value, str) and "," in value else value
    return word


def given(name: str, command: Command, words: Sequence[str]) -> dict[str, Any]:
    """A command's arguments as a user's words give them, and their word about threads.

    Raises:
        InputError: For words that mean nothing to it, or that it lacks.
    """
    takes = {argument.name: argument for argument in taken(command)}
    found, unknown = _parser(name, command, takes.values()).parse_known_intermixed_args(_normal(words))
    if unknown:
        wrong = unknown[0].partition("=")[0]
        whole = {short: f"--{each}" for each in takes for short in (each, each.rpartition(".")[2])}
        hint = meant(wrong.removeprefix("--"), whole, f"{name} --help tells what is possible")
        raise InputError(f"{wrong} means nothing to {name}: {hint}.")
    values = {each: takes[each].value(said) for each, said in vars(found).items()}
    for file in values.pop("plugins", ()):
        plugins.load(Path(file))  # before a configuration is made, which may name its parts
    return _configured(command, values)


def _configured(command: Command, values: dict[str, Any]) -> dict[str, Any]:
    """Arguments whose configurations are made of a preset and of the settings that were given instead."""
    for part, kind in get_annotations(command).items():
        if _is_configuration(kind):
            settings = presets.read(values["preset"])[part]
            settings |= {name: values.pop(f"{part}.{name}") for name in told(kind) if f"{part}.{name}" in values}
            for name in ("data", "start"):
                if settings.get(name) is not None:
                    settings[name] = place(f"--{part}.{name}", settings[name])
            values[part] = kind(**settings)
    return values


def _parser(name: str, command: Command, takes: Iterable[Argument]) -> Parser:
    summary, example, *_ = paragraphs(command)
    parser = Parser(name, description=summary, epilog=example, allow_abbrev=False)
    groups: dict[str, Any] = {"": parser}
    for argument in takes:
        part = argument.name.rpartition(".")[0]
        if part not in groups:
            groups[part] = parser.add_argument_group(f"{part} settings", told(command)[part])
        argument.add_to(groups[part])
    return parser


def taken(described: Command | type, part: str = "") -> list[Argument]:
    """All that a command takes; where it takes a configuration, this one's settings."""
    texts, parameters, found = told(described), signature(described).parameters, list[Argument]()
    for name, each in parameters.items():
        if _is_configuration(each.annotation):
            found += taken(each.annotation, f"{name}.")
        else:
            found.append(Argument(part + name, each.annotation, each.default, texts[name]))
    if "device" in parameters:  # commands that compute with a model
        found.append(Argument("threads", str | None, None, threads.HELP))
        found.append(Argument("plugins", list[str] | None, None, plugins.HELP))
    return found


def _is_configuration(kind: object) -> bool:
    return is_dataclass(kind)


def paragraphs(described: Command | type) -> list[str]:
    """The paragraphs of a docstring."""
    return cleandoc(described.__doc__ or "").split("\n\n")


def told(described: Command | type) -> dict[str, str]:
    """What a docstring tells of each argument."""
    found = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", cleandoc(described.__doc__ or ""), re.MULTILINE)
    return {name: one_line(text) for name, text in found}


def _normal(words: Sequence[str]) -> list[str]:
    """The words with underscores in options' names, to which strengths and negative numbers are joined."""
    normal, rest = [], list(words)
    while rest:
        name, equals, value = _with_strength(rest.pop(0), rest).partition("=")
        if name.startswith("--"):
            name = f"--{name[2:].replace('-', '_')}"
            if not equals and rest and re.match(r"-[\d.]", rest[0]):
                equals, value = "=", rest.pop(0)
        normal.append(f"{name}{equals}{value}")
    return normal


def _with_strength(word: str, rest: list[str]) -> str:
    """--by=NAME=STRENGTH, for which `--by.NAME STRENGTH`, `--by NAME STRENGTH` and `--by NAME=STRENGTH` may stand.

    Names of attributes are the user's: spaces, dots, and even equals signs may be in them.
    """
    if word == "--by" and rest:
        word = f"--by={rest.pop(0)}"
    if not word.startswith(("--by.", "--by=")):
        return word
    said = word[len("--by=") :]
    _, equals, strength = said.rpartition("=")
    lacks_strength = not (equals and _is_number(strength))
    if rest and lacks_strength and (_is_number(rest[0]) if equals else not rest[0].startswith("--")):
        said = f"{said}={rest.pop(0)}"
    return f"--by={said}"


def _is_number(word: str) -> bool:
    return fits(_from_yaml(word), float)
