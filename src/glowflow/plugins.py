"""A user's own files that register parts. They are imported only if the user names them on the command line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from glowflow.errors import InputError
from glowflow.paths import quoted

HELP = (
    "A Python file that registers your own parts, which the model uses. The option may be given several times. Nothing "
    "else imports such a file."
)

_loaded: list[Path] = []


def said() -> str:
    """The options that name the files loaded so far, as a further command needs them; empty without files."""
    return "".join(f" --plugins {quoted(path)}" for path in _loaded)


def load(path: Path) -> None:
    """Run a Python file, which registers parts with the registries of `glowflow.parts`.

    A stored model can't cause this: it names its parts, and never a file. The file may import those beside it.

    Raises:
        InputError: If there is no such file, or it fails.
    """
    name = _module_name(path)
    spec = spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(f"--plugins is {path}; it takes a Python file that registers parts, such as my_parts.py.")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module there
    try:
        with _importable(path.resolve().parent):
            spec.loader.exec_module(module)
    except Exception as error:
        line = _line_in(path, error)
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        raise InputError(f"{path}{line} can't be used: {kind}{error}") from error
    if path not in _loaded:
        _loaded.append(path)


def _module_name(path: Path) -> str:
    """The name of a file's module: that of the file, or its whole path if another module has this name already."""
    known = getattr(sys.modules.get(path.stem), "__file__", None)
    is_same = known and Path(known).resolve() == path.resolve()
    is_taken = path.stem in {*sys.modules, *sys.stdlib_module_names}
    return path.stem if is_same or not is_taken else str(path.resolve())


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a file import the files beside it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _line_in(path: Path, error: Exception) -> str:
    """Where in the file an error occurred."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno},"
    trace, line = error.__traceback__, ""
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = f", line {trace.tb_lineno},"
        trace = trace.tb_next
    return line
