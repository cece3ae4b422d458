"""The command line: parsing, presets as defaults, errors as sentences, exit codes."""

import difflib
import itertools
import json
import os
import re
import signal
import sys
import warnings
from argparse import HelpFormatter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import fields, is_dataclass, replace
from inspect import Parameter, cleandoc, signature
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from glowflow import __version__, plugins, signals, terminal, threads
from glowflow.commands import (
    bench,
    conversion,
    data,
    demo,
    editing,
    evaluation,
    experiment,
    latents,
    memory,
    pictures,
    training,
)
from glowflow.config import GlowConfig, TrainConfig
from glowflow.destinations import descriptor
from glowflow.errors import (
    InputError,
    MemoryShortError,
    ProcessLostError,
    TrainingDivergedError,
    TrainingInterruptedError,
)
from glowflow.paths import expanded
from glowflow.presets.documents import text_settings
from glowflow.progress import is_silent

Command = Callable[..., None]

COMMANDS: dict[str, Command | dict[str, Command]] = {
    "train": training.train,
    "evaluate": evaluation.evaluate,
    "score": evaluation.score,
    "sample": pictures.sample,
    "reconstruct": pictures.reconstruct,
    "encode": latents.encode,
    "decode": latents.decode,
    "interpolate": editing.interpolate,
    "vary": editing.vary,
    "attributes": editing.attributes,
    "edit": editing.edit,
    "demo": demo.demo,
    "data": {"list": data.list_, "prepare": data.prepare, "show": data.show},
    "presets": training.presets,
    "import": {
        "openai": conversion.import_openai,
        "rosinality": conversion.import_rosinality,
        "y0ast": conversion.import_y0ast,
    },
    "export": {"openai": conversion.export_openai},
    "experiment": experiment.experiment,
    "bench": bench.bench,
}
GROUPS = {
    "data": "List, prepare and show data sets.",
    "import": "Take a model from another code base.",
    "export": "Give a model to another code base.",
}
PARTS = {"model": GlowConfig, "train": TrainConfig}
OPTIONAL = {"model", "name"}
"""Parameters that, where they have a default, may stand without an option's name before them, or be left out."""

LONG = {"train", "evaluate", "score", "attributes"}
"""Commands that may take hours, so that a trial of threads pays (see `glowflow.threads`)."""

REPEATED = {"by": "NAME=STRENGTH", "names": "NAME", "orthogonal_to": "NAME"}
"""What stands after options that may be given several times."""

NAMES_OF_FILES = {"data", "from_model", "model", "name", "preset", "start"}
"""Parameters and settings of text that may name a file or a folder; so do those of type `Path`."""

SHORT = {"--from": "--from_model", "--list": "--list_all"}  # words of Python's
"""Other names of options."""

RANGES = {"--value_range", "--train.value_range"}
"""Options that take LOW,HIGH."""

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list[float]": "a list of numbers",
    "list[int]": "a list of whole numbers",
    "tuple": 'a list of whole numbers, such as "[3, 32, 32]"',
}
"""Types as people call them."""

USER_ERROR = 2
OUTPUT, BROKEN_PIPE = 1, 128 + 13
"""The number of standard output, and the exit code of a command whose reader has gone, as of one that SIGPIPE ends."""


class AsGiven:
    """The type of a word that is taken as it was typed; `no`, `null` and `2024-01-01` are words like others."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, word: str) -> str:
        """The word."""
        return word

    def __repr__(self) -> str:
        """What `--help` calls it."""
        return self.name


AS_GIVEN = {
    str: AsGiven("text"),
    str | None: AsGiven("text"),
    Path: AsGiven("path"),
    Path | None: AsGiven("path"),
}
"""How words are taken for parameters of these types, by the type."""


class Parser(ArgumentParser):
    """The parser, whose help names types as people do."""

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """The help."""
        return re.sub(r"<class\s+'(\w+)'>", lambda kind: kind[1].lower(), super().format_help(formatter))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 1 (a training failed), 2 (a user's mistake), 128 + signal."""
    terminal.prepare()
    with signals.ending_by_error():
        code = _exit_code(arguments)
    if signals.is_launched():  # see `glowflow.processes.joined`
        sys.stdout.flush()
        os._exit(code)
    return code


def _exit_code(arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    warnings.filterwarnings("ignore", module=r"PIL\.")  # they don't name the picture, which is read all the same
    try:
        try:
            _run(_with_lists([_with_underscores(word) for word in _with_strengths(given)]))
        finally:
            sys.stdout.flush()
    except InputError as error:
        return _fail(str(error), USER_ERROR)
    except OSError as error:
        return _os_error(error)
    except (TrainingDivergedError, ProcessLostError, MemoryShortError) as error:
        return _fail(str(error), 1)
    except TrainingInterruptedError as error:
        return _fail("" if is_silent() else str(error), 128 + error.signum)
    except KeyboardInterrupt as error:
        signum = error.signum if isinstance(error, signals.EndedError) else signal.SIGINT
        return _fail("Interrupted; the same command starts again.", 128 + signum)
    return 0


def _os_error(error: OSError) -> int:
    """Tell what the system refused to read or write; no word of a reader that has gone, as `head` does."""
    if error.filename is None or _is_output(error.filename):
        terminal.drop_output()
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
    return _fail(f"{error.filename or 'Input or output'}: {error.strerror or error}.", USER_ERROR)


def _run(arguments: list[str]) -> None:
    parser = _parser()
    parsed = _parse(parser, _with_preset(arguments))
    for file in parsed[parsed.subcommand].get("plugins") or ():
        plugins.load(Path(_place(file, "--plugins")))  # before the configuration is built, which may name their parts
    settings = parser.instantiate(parsed)
    name, chosen = settings.subcommand, settings[settings.subcommand]
    command = COMMANDS[name]
    if isinstance(command, dict):
        command, chosen = command[chosen.subcommand], chosen[chosen.subcommand]
    threads.ask(chosen.get("threads"), is_long=name in LONG)
    values = {name: _meant(parameter, chosen[name]) for name, parameter in signature(command).parameters.items()}
    is_taken = any(_is_output(value) for value in values.values() if isinstance(value, Path))
    with (
        redirect_stdout(sys.stderr if is_taken else sys.stdout),  # a result has standard output for itself
        memory.explained(signature(command).parameters),
    ):
        command(**values)


def _meant(parameter: Parameter, value: Any) -> Any:  # noqa: ANN401 (whatever a parameter takes)
    """An argument as its command takes it: what names a file as a path, with the home directory for `~`."""
    if isinstance(value, TrainConfig):
        return replace(value, data=_place(value.data, "--train.data"), start=_place(value.start, "--train.start"))
    option = parameter.name if parameter.default is Parameter.empty else f"--{parameter.name}"
    if isinstance(value, list) and parameter.annotation == list[Path]:
        return [Path(_place(each, option)) for each in value]
    if isinstance(value, str) and parameter.annotation in {Path, Path | None}:
        return Path(_place(value, option))
    return _place(value, option) if parameter.name in NAMES_OF_FILES else value


def _place(text: Any, option: str) -> Any:  # noqa: ANN401 (or what isn't text, which is left as it is)
    """The file or folder that a user named."""
    if text == "":
        raise InputError(f"{option} is empty; it takes a name.")
    return expanded(text) if isinstance(text, str) else text


def _is_output(path: object) -> bool:
    """Whether this is a path that names standard output."""
    return isinstance(path, str | Path) and descriptor(Path(path)) == OUTPUT


def _with_strengths(arguments: Sequence[str]) -> list[str]:
    """Let `--by.NAME STRENGTH`, `--by NAME STRENGTH` and `--by NAME=STRENGTH` stand for `--by=NAME=STRENGTH`.

    Names of attributes are the user's: spaces, dots, and even equals signs may be in them.
    """
    words, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--by" and rest:
            word = f"--by={rest.pop(0)}"
        if word.startswith(("--by.", "--by=")):
            said = word[len("--by=") :]
            _, equals, strength = said.rpartition("=")
            lacks_strength = not (equals and _is_number(strength))
            if rest and lacks_strength and (_is_number(rest[0]) if equals else not rest[0].startswith("--")):
                said = f"{said}={rest.pop(0)}"
            word = f"--by={said}"
        words.append(word)
    return words


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_underscores(word: str) -> str:
    """Let --image-size stand for --image_size."""
    name, equals, value = word.partition("=")
    name = SHORT.get(name, name)
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if name.startswith("--") else word


def _with_lists(arguments: Sequence[str]) -> list[str]:
    """Let `--value_range 0,4095` stand for `--value_range=[0,4095]`."""
    words, rest = [], list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name in RANGES and (equals or rest):
            equals, value = "=", f"[{(value if equals else rest.pop(0)).strip('[]')}]"
        words.append(f"{name}{equals}{value}")
    return words


def _parser() -> ArgumentParser:
    parser = Parser(
        prog="glowflow",
        description="Glow on your images: exact likelihoods, samples, reconstructions, latent edits.",
        epilog="Start with: glowflow train digits",
        version=__version__,
        exit_on_error=False,
    )
    _add_commands(parser, COMMANDS)
    return parser


def _add_commands(parser: ArgumentParser, entries: Mapping[str, Command | dict[str, Command]]) -> None:
    subcommands = parser.add_subcommands()
    for name, entry in entries.items():
        if isinstance(entry, dict):
            group = Parser(exit_on_error=False, description=GROUPS[name])
            subcommands.add_subcommand(name, group, help=GROUPS[name])
            _add_commands(group, entry)
        else:
            subcommands.add_subcommand(name, _command_parser(entry), help=_paragraphs(entry)[0])


def _command_parser(command: Command) -> ArgumentParser:
    summary, example, *_ = _paragraphs(command)
    parser, texts = Parser(exit_on_error=False, description=summary, epilog=example), _texts(command)
    for name, parameter in signature(command).parameters.items():
        _add_parameter(parser, parameter, texts[name])
    if "device" in signature(command).parameters:  # commands that compute with a model
        parser.add_argument("--threads", type=AS_GIVEN[str], metavar="N|auto", help=threads.HELP)
        parser.add_argument("--plugins", action="append", metavar="FILE", help=plugins.HELP)
    return parser


def _add_parameter(parser: ArgumentParser, parameter: Parameter, text: str) -> None:
    """Let a command's parameter be given: without a default as a word in its place, else as an option."""
    name, kind, default = parameter.name, parameter.annotation, parameter.default
    if isinstance(kind, type) and is_dataclass(kind):
        _add_settings(parser, name, kind)
    elif kind == list[Path]:  # one word each
        parser.add_argument(name, nargs="+", type=AS_GIVEN[Path], help=text)
    elif kind == list[str] | None:  # an option that may be given several times
        parser.add_argument(f"--{name}", action="append", metavar=REPEATED.get(name), help=text)
    elif kind is bool:  # an option without a value
        parser.add_argument(f"--{name}", action="store_true", help=text)
    elif default is Parameter.empty:
        parser.add_argument(name, type=AS_GIVEN.get(kind, kind), help=text)
    elif name in OPTIONAL:
        parser.add_argument(name, nargs="?", default=default, type=AS_GIVEN[kind], help=text)
    else:
        parser.add_argument(f"--{name}", default=default, type=AS_GIVEN.get(kind, kind), help=text)


def _add_settings(parser: ArgumentParser, part: str, kind: type) -> None:
    """Let each of a configuration's settings be given, as --PART.NAME."""
    texts, words = _texts(kind), text_settings(kind)
    parser.add_class_arguments(kind, part, skip=set(words))
    group = (parser.groups or {})[part]
    for name, default in words.items():
        group.add_argument(f"--{part}.{name}", default=default, type=AS_GIVEN[str], help=texts[name])


def _texts(described: Command | type) -> dict[str, str]:
    """What the docstring says of each parameter."""
    found = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", cleandoc(described.__doc__ or ""), re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _paragraphs(command: Command) -> list[str]:
    return cleandoc(command.__doc__ or "").split("\n\n")


def _with_preset(arguments: list[str]) -> list[str]:
    """Put a preset's settings before the user's own, which so override them."""
    if arguments[:1] != ["train"] or len(arguments) < 2 or {"-h", "--help"} & set(arguments[:2]):
        return arguments
    if arguments[1].startswith("-"):
        raise InputError("The preset comes first: glowflow train PRESET, and then what is to differ from it.")
    from glowflow.presets import read  # noqa: PLC0415 (not needed by other commands)

    content = read(arguments[1])
    settings = [
        f"--{part}.{name}={_text(value)}"
        for part, kind in PARTS.items()
        for name, value in content[part].items()
        if value is not None or name not in text_settings(kind)  # a word is never nothing
    ]
    return [*arguments[:2], *settings, *arguments[2:]]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    try:
        return parser.parse_args(arguments)
    except ArgumentError as error:
        raise InputError(_explained(" ".join(str(error).split()), arguments)) from None


def _explained(message: str, arguments: list[str]) -> str:
    """A parser's message in plain words, with what was probably meant."""
    command = " ".join(["glowflow", *itertools.takewhile(lambda word: word in _words(COMMANDS), arguments)])
    message = re.sub(r"^Parser key \"(\S+)\": ", r"--\1: ", message.replace("argument subcommand: ", ""))
    message = _with_plain_types(re.sub(r"<class '(\w+)'>", r"\1", message).rstrip("."))
    message = re.sub(r"arguments are required: (?:\w+\.)+", "arguments are required: ", message)
    lacking = re.search(r'expected "(?:(\S+)\.)?subcommand" to be one of {([^}]+)}', message)
    message = f"{lacking[1] or 'glowflow'} takes one of {lacking[2]}" if lacking else message
    wrong = re.search(r"unrecognized arguments: (\S+)|invalid choice: '(\S+?)'", message)
    meant = (wrong[1] or wrong[2]).partition("=")[0] if wrong else ""
    possible = _options(arguments[:2]) if meant.startswith("-") else _words(COMMANDS) if wrong and wrong[2] else []
    near = difflib.get_close_matches(meant, possible, n=1)
    return f"{message}{f' (perhaps {near[0]} is meant)' if near else ''}; {command} --help tells what is possible."


def _with_plain_types(message: str) -> str:
    """A parser's message on a value of the wrong type, with the types in plain words."""
    message = message.replace("tuple[float, float]", "pair of numbers such as 0,4095")
    union = r"Does not validate against any of the Union subtypes Subtypes: \[(.+)\] Errors: .* Given value: (.+)"
    found = re.search(union, message)
    kinds = [kind for kind in found[1].split(", ") if kind != "NoneType"] if found else []
    message = re.sub(union, rf"Expected a {' or a '.join(kinds)}. Got value: \2", message) if kinds else message
    message = re.sub(r"Expected an? (?:typing\.)?Literal\[(.+?)\]", r"Expected one of \1", message)
    return re.sub(rf"\ba ({'|'.join(map(re.escape, KINDS))})(?=[. ])", lambda kind: KINDS[kind[1]], message)


def _words(entries: dict[str, Any]) -> list[str]:
    """The names of commands, nested ones too."""
    return [name for key, entry in entries.items() for name in (key, *(entry if isinstance(entry, dict) else ()))]


def _options(words: list[str]) -> list[str]:
    """The options of the command that these words name."""
    entry: Any = COMMANDS
    for word in words:
        entry = entry.get(word) if isinstance(entry, dict) else entry
    if not callable(entry):
        return []
    parts = [f"--{part}.{field.name}" for part, kind in PARTS.items() for field in fields(kind)]
    names = [*signature(entry).parameters, "threads", "plugins"]
    return [*(f"--{name}" for name in names), *(parts if entry is COMMANDS["train"] else ())]


def _fail(message: str, code: int) -> int:
    if message:
        with suppress(OSError):  # the exit code tells it too
            sys.stderr.write(f"glowflow: {' '.join(message.split())}\n")
            sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
