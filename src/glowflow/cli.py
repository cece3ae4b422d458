"""The command line: the table of commands, how one is run, errors as sentences, exit codes."""

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from inspect import signature
from pathlib import Path

from glowflow import __version__, arguments, signals, terminal, threads
from glowflow.arguments import Command
from glowflow.commands import (
    bench,
    conversion,
    data,
    demo,
    editing,
    evaluation,
    experiment,
    hub,
    latents,
    memory,
    pictures,
    training,
)
from glowflow.destinations import descriptor
from glowflow.errors import (
    InputError,
    MemoryShortError,
    ProcessLostError,
    TrainingDivergedError,
    TrainingInterruptedError,
    meant,
    one_line,
)
from glowflow.progress import is_silent

Entry = Command | dict[str, "Entry"]

COMMANDS: dict[str, Entry] = {
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
    "push": hub.push,
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
ABOUT = {
    "glowflow": "Glow on your images: exact likelihoods, samples, reconstructions, latent edits. "
    "Start with: glowflow train digits",
    "glowflow data": "List, prepare and show data sets.",
    "glowflow import": "Take a model from another code base.",
    "glowflow export": "Give a model to another code base.",
}
"""What groups of commands are for."""

LONG = {training.train, evaluation.evaluate, evaluation.score, editing.attributes}
"""Commands that may take hours, so that a trial of threads pays (see `glowflow.threads`)."""

USER_ERROR = 2
OUTPUT, BROKEN_PIPE = 1, 128 + 13
"""The number of standard output, and the exit code of a command whose reader has gone, as of one that SIGPIPE ends."""


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
            _run(given)
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


def _run(words: Sequence[str]) -> None:
    name, command, rest = _chosen(words)
    values = arguments.given(name, command, rest)
    threads.ask(values.pop("threads", None), is_long=command in LONG)
    is_taken = any(_is_output(value) for value in values.values() if isinstance(value, Path))
    with (
        redirect_stdout(sys.stderr if is_taken else sys.stdout),  # a result has standard output for itself
        memory.explained(signature(command).parameters),
    ):
        command(**values)


def _chosen(words: Sequence[str]) -> tuple[str, Command, list[str]]:
    """The command that the first words name, its name in full, and the words that remain."""
    name, rest = "glowflow", list(words)
    entry: Entry = COMMANDS
    while isinstance(entry, dict):
        if not rest:
            raise InputError(f"{name} takes one of {', '.join(entry)}; {name} --help tells what is possible.")
        word = rest.pop(0)
        if word.startswith("-"):
            _group(name, entry).parse_args([word])  # --help and --version end here
        if word not in entry:
            hint = meant(word, {each: each for each in entry}, f"{name} --help tells what is possible")
            raise InputError(f"{word} means nothing to {name}: {hint}.")
        name, entry = f"{name} {word}", entry[word]
    return name, entry, rest


def _group(name: str, entries: dict[str, Entry]) -> arguments.Parser:
    """The parser of a group of commands, for its help."""
    parser = arguments.Parser(
        name, description=ABOUT[name], epilog=f"{name} COMMAND --help tells what a command takes."
    )
    parser.add_argument("--version", action="version", version=f"glowflow {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for word, entry in entries.items():
        about = ABOUT[f"{name} {word}"] if isinstance(entry, dict) else arguments.paragraphs(entry)[0]
        commands.add_parser(word, help=about)
    return parser


def _is_output(path: object) -> bool:
    """Whether this is a path that names standard output."""
    return isinstance(path, str | Path) and descriptor(Path(path)) == OUTPUT


def _fail(message: str, code: int) -> int:
    if message:
        with suppress(OSError):  # the exit code tells it too
            sys.stderr.write(f"glowflow: {one_line(message)}\n")
            sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
