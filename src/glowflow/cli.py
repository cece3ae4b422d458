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
    archive,
    bench,
    comparing,
    conversion,
    data,
    demo,
    directions,
    editing,
    evaluation,
    experiment,
    export,
    hub,
    latents,
    memory,
    pictures,
    report,
    scoring,
    training,
)
from glowflow.destinations import descriptor
from glowflow.errors import (
    InputError,
    MemoryShortError,
    ProcessLostError,
    TrainingDivergedError,
    TrainingInterruptedError,
    UnregisteredPartError,
    meant,
    one_line,
)
from glowflow.progress import is_silent

Entry = Command | dict[str, "Entry"]

COMMANDS: dict[str, Entry] = {
    "train": training.train,
    "report": report.report,
    "evaluate": evaluation.evaluate,
    "score": scoring.score,
    "calibrate": scoring.calibrate,
    "compare": comparing.compare,
    "sample": pictures.sample,
    "reconstruct": pictures.reconstruct,
    "encode": latents.encode,
    "decode": latents.decode,
    "interpolate": editing.interpolate,
    "vary": editing.vary,
    "attributes": directions.attributes,
    "edit": editing.edit,
    "demo": demo.demo,
    "data": {"list": data.list_, "prepare": data.prepare, "show": data.show},
    "archive": {
        "create": archive.create,
        "extract": archive.extract,
        "list": archive.list_,
        "verify": archive.verify,
    },
    "push": hub.push,
    "presets": training.presets,
    "import": {
        "openai": conversion.import_openai,
        "rosinality": conversion.import_rosinality,
        "y0ast": conversion.import_y0ast,
    },
    "export": {
        "onnx": export.onnx,
        "web": export.web,
        "openai": conversion.export_openai,
    },
    "experiment": experiment.experiment,
    "bench": bench.bench,
}
ABOUT = {
    "glowflow": "Glow on your images: exact likelihoods, samples, reconstructions, latent edits. "
    "Start with: glowflow train digits",
    "glowflow data": "List, prepare and show data sets.",
    "glowflow archive": "Store folders of images in small files, and get them back.",
    "glowflow import": "Import a model from another code base.",
    "glowflow export": "Export a model to ONNX, to a web page, or to another code base.",
}
"""The purpose of each group of commands."""

LONG = {
    training.train,
    evaluation.evaluate,
    scoring.score,
    scoring.calibrate,
    comparing.compare,
    directions.attributes,
    archive.create,
    archive.extract,
    archive.verify,
}
"""Commands that may take hours, so that a trial of threads pays (see `glowflow.threads`)."""

USER_ERROR = 2
OUTPUT, BROKEN_PIPE = 1, 128 + 13
"""The file descriptor of standard output, and the exit code if its reader has gone, which is that of SIGPIPE."""


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
    warnings.filterwarnings("ignore", module=r"PIL\.")  # they don't name the picture, which is read anyway
    try:
        try:
            _run(given)
        finally:
            sys.stdout.flush()
    except InputError as error:
        is_unknown = isinstance(error, UnregisteredPartError) and not error.near
        hint = " Give its file by --plugins FILE." if is_unknown else ""
        return _fail(f"{error}{hint}", USER_ERROR)
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
    """Report what the system couldn't read or write, but not that the output's reader has gone, as `head` does."""
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
        redirect_stdout(sys.stderr if is_taken else sys.stdout),  # standard output then holds only the result
        memory.explained(signature(command).parameters),
    ):
        command(**values)


def _chosen(words: Sequence[str]) -> tuple[str, Command, list[str]]:
    """The command that the first words name, its name in full, and the words that remain."""
    name, rest = "glowflow", list(words)
    entry: Entry = COMMANDS
    while isinstance(entry, dict):
        if not rest:
            raise InputError(f"{name} takes one of {', '.join(entry)}; see {name} --help.")
        word = rest.pop(0)
        if word.startswith("-"):
            _group(name, entry).parse_args([word])  # --help and --version end here
        if word not in entry:
            hint = meant(word, {each: each for each in entry}, f"see {name} --help")
            raise InputError(f"{word} means nothing to {name}: {hint}.")
        name, entry = f"{name} {word}", entry[word]
    return name, entry, rest


def _group(name: str, entries: dict[str, Entry]) -> arguments.Parser:
    """The parser of a group of commands, for its help."""
    parser = arguments.Parser(
        name, description=ABOUT[name], epilog=f"{name} COMMAND --help shows what a command takes."
    )
    parser.add_argument("--version", action="version", version=f"glowflow {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for word, entry in entries.items():
        about = ABOUT[f"{name} {word}"] if isinstance(entry, dict) else arguments.paragraphs(entry)[0]
        commands.add_parser(word, help=about)
    return parser


def _is_output(path: object) -> bool:
    """True for a path that names standard output."""
    return isinstance(path, str | Path) and descriptor(Path(path)) == OUTPUT


def _fail(message: str, code: int) -> int:
    if message:
        with suppress(OSError):  # the exit code reports it too
            sys.stderr.write(f"glowflow: {one_line(message)}\n")
            sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
