"""A command's arguments: its signature and docstring make the parser that turns a user's words into values."""

import re
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from inspect import Parameter, cleandoc, get_annotations, signature
from pathlib import Path
from typing import Any, NoReturn, get_args

from glowflow import plugins, presets, threads
from glowflow.checks import check_type, described, fits, typed
from glowflow.errors import InputError, meant, one_line
from glowflow.paths import expanded
from glowflow.presets import documents

Command = Callable[..., None]

SHORT = {"list_all": "--list", "train.data": "--data", "train.start": "--from", "train.value_range": "--value-range"}
"""Options whose names differ from their parameters'."""
OPTIONAL = {"model", "name"}
"""Parameters that are positional although they may have a default, and may then be left out."""
SHARED = {
    "model": "A run's directory, a directory made by save_pretrained, the name of a model that comes with glowflow, or "
    "a name on the hub.",
    "images": "Image files. They are cropped and resized to the model's size.",
    "data": "A data set's name (or hf:NAME), a folder, or an .npy or .npz file, or several of these with plus signs "
    "between them; by default the data of the training.",
    "split": "Which part of the data.",
    "label": "The images' class, by name or number, for a class-conditional model.",
    "draws": "The number of draws of the dequantisation noise to average over.",
    "enlarge": "How many times as large each image is drawn: a whole number. By default images are enlarged "
    "to suit a screen. 1 draws them pixel for pixel, without captions.",
    "image_shape": "[channels, height, width]; by default the first that a data set is listed with.",
    "value_range": "LOW,HIGH: the values that become black and white in image files of more than 8 bits. The default "
    "is the range of the model's training, if there is a model that has one. Otherwise it's a usual range that holds "
    "all values.",
    "device": "cpu, cuda or mps; by default the best one present.",
    "threads": threads.HELP,
    "plugins": plugins.HELP,
    "precision": 'The precision of the couplings\' networks; "auto" is bfloat16 if the device is much faster in it.',
    "compiled": "Compile with torch.compile, which takes a minute or more. `glowflow bench --compiled` shows the gain.",
    "seed": "The seed of the random numbers; the same seed gives the same result.",
}
"""Help texts for arguments that several commands take, which their docstrings leave out."""
FILES = {"data", "model", "name", "plugins", "preset", "train.data", "train.start"}
"""Text arguments that may name a file or a folder, as arguments of type `Path` do."""


class Parser(ArgumentParser):
    """A parser that raises InputError."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError with the message."""
        raise InputError(f"{message.removeprefix('argument ')}; see {self.prog} --help.")


@dataclass(frozen=True)
class Argument:
    """One argument of a command: a parameter, or a setting of a configuration, which is called PART.NAME."""

    name: str
    kind: Any
    default: Any
    text: str

    def add_to(self, group: Any) -> None:  # noqa: ANN401 (argparse hides the type of its groups)
        """Add it to a parser: as a positional word, as a flag, or as an option with a value."""
        default = "" if self.default in {None, Parameter.empty} else f"; by default {typed(self.default)}"
        about = self.text.replace("%", "%%")
        kind = "a name or a path" if self.name in FILES else described(self.kind)
        text = f"{about} ({kind}{default})"
        number = "+" if self.kind == list[Path] else None if self.default is Parameter.empty else "?"
        if self.is_placed:
            group.add_argument(self.name, nargs=number, default=SUPPRESS, help=text)
        elif self.kind is bool and "." not in self.name:
            group.add_argument(*self.names, dest=self.name, action="store_true", default=SUPPRESS, help=about)
        else:
            action, shown = "append" if self.kind == list[str] | None else "store", self.name.rpartition(".")[2].upper()
            group.add_argument(*self.names, dest=self.name, action=action, metavar=shown, default=SUPPRESS, help=text)

    @property
    def option(self) -> str:
        """Its option, as help texts and messages show it."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def names(self) -> list[str]:
        """All names of the option, the shortest first."""
        return sorted({self.option, SHORT.get(self.name, self.option)}, key=len)

    @property
    def is_placed(self) -> bool:
        """True if it's given without a name."""
        return self.name in OPTIONAL or (self.default is Parameter.empty and "." not in self.name)

    def value(self, said: Any) -> Any:  # noqa: ANN401 (of its kind)
        """Convert what the parser found for it: a word, a list of words, or True for a flag."""
        return [self._read(word) for word in said] if isinstance(said, list) else said is True or self._read(said)

    def _read(self, word: str) -> Any:  # noqa: ANN401
        option = self.name if self.is_placed else self.option
        if Path in {self.kind, *get_args(self.kind)}:
            return Path(place(option, word))
        if described(self.kind) == "text":
            return place(option, word) if self.name in FILES else word
        value = _from_yaml(word)
        value = next((each for each in (value, [value]) if fits(each, self.kind)), word)  # a part may be called no
        check_type(option, value, self.kind)
        return tuple(value) if isinstance(value, list) else value


def place(option: str, word: str) -> str:
    """The file or folder that a user named, with the home directory for `~`."""
    if not word:
        raise InputError(f"{option} is empty; it takes a name.")
    return expanded(word)


def _from_yaml(word: str) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """Read a word as YAML. A list may lack its brackets. What isn't YAML is text, unless it begins as a list does."""
    try:
        value = documents.parsed(word, word)
        return documents.parsed(f"[{word}]", word) if isinstance(value, str) and "," in value else value
    except InputError:
        if word.startswith(("{", "[")):
            raise InputError(f"{word} begins as a list or a mapping of options, and doesn't end as one.") from None
        return word


def given(name: str, command: Command, words: Sequence[str]) -> dict[str, Any]:
    """Read a user's words as a command's arguments, including `threads`.

    Raises:
        InputError: If a word is unknown or missing, or its value is wrong.
    """
    takes = {argument.name: argument for argument in taken(command)}
    found, unknown = _parser(name, command, takes.values()).parse_known_intermixed_args(_normal(words))
    if unknown:
        wrong = unknown[0].partition("=")[0]
        raise InputError(f"{wrong} means nothing to {name}: {_hint(name, wrong.removeprefix('--'), takes)}.")
    values = {each: takes[each].value(said) for each, said in vars(found).items()}
    for file in values.pop("plugins", ()):
        plugins.load(Path(file))  # first, because the configuration may name their parts
    return _configured(command, values)


def _hint(name: str, wrong: str, takes: Mapping[str, Argument]) -> str:
    """What a user may have meant by a word that the command `name` doesn't know."""
    if wrong in takes and takes[wrong].is_placed:
        return f"{wrong.upper()} is given without a name"
    options = [argument.option.removeprefix("--") for argument in takes.values() if not argument.is_placed]
    whole = {short: f"--{option}" for option in options for short in (option, option.rpartition(".")[2])}
    return meant(wrong, whole, f"see {name} --help")


def _configured(command: Command, values: dict[str, Any]) -> dict[str, Any]:
    """Replace settings by configurations. The preset supplies the settings that weren't given."""
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
    summary, example, *more = (text for text in paragraphs(command) if not text.startswith("Args:"))
    parser = Parser(name, description=" ".join([summary, *more]), epilog=example, allow_abbrev=False)
    groups: dict[str, Any] = {"": parser}
    for argument in takes:
        part = argument.name.rpartition(".")[0]
        if part not in groups:
            groups[part] = parser.add_argument_group(f"{part} settings", told(command)[part])
        argument.add_to(groups[part])
    return parser


def taken(described: Command | type, part: str = "") -> list[Argument]:
    """List a command's arguments, with the settings of a configuration in place of the configuration."""
    texts, parameters, found = SHARED | told(described), signature(described).parameters, list[Argument]()
    for name, each in parameters.items():
        if _is_configuration(each.annotation):
            found += taken(each.annotation, f"{name}.")
        else:
            found.append(Argument(part + name, each.annotation, each.default, texts[name]))
    if "device" in parameters:  # commands that compute with a model
        found.append(Argument("threads", str | None, None, SHARED["threads"]))
    if {"device", "model"} & parameters.keys():  # and those that only open one
        found.append(Argument("plugins", list[str] | None, None, SHARED["plugins"]))
    return found


def _is_configuration(kind: object) -> bool:
    return is_dataclass(kind)


def paragraphs(described: Command | type) -> list[str]:
    """The paragraphs of a docstring."""
    return cleandoc(described.__doc__ or "").split("\n\n")


def told(described: Command | type) -> dict[str, str]:
    """Read the description of each argument in a docstring."""
    found = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", cleandoc(described.__doc__ or ""), re.MULTILINE)
    return {name: one_line(text) for name, text in found}


def _normal(words: Sequence[str]) -> list[str]:
    """Write options' names with hyphens, and join strengths and negative numbers to their options."""
    normal, rest = [], list(words)
    while rest:
        name, equals, value = _with_strength(rest.pop(0), rest).partition("=")
        if name.startswith("--"):
            name = f"--{name[2:].replace('_', '-')}"
            if not equals and rest and re.match(r"-[\d.]", rest[0]):
                equals, value = "=", rest.pop(0)
        normal.append(f"{name}{equals}{value}")
    return normal


def _with_strength(word: str, rest: list[str]) -> str:
    """Write `--by.NAME STRENGTH`, `--by NAME STRENGTH` and `--by NAME=STRENGTH` as `--by=NAME=STRENGTH`.

    Users choose the names of attributes, which may contain spaces, dots, and even equals signs.
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
