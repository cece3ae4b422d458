"""A user's own files that register parts. They are imported only if the user names them on the command line."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from glowflow.errors import InputError

HELP = (
    "A Python file that registers your own parts, which the model uses. The option may be given several times. Nothing "
    "else imports such a file."
)


def load(path: Path) -> None:
    """Run a Python file, which registers parts with the registries of `glowflow.parts`.

    A stored model can't cause this: it names its parts, and never a file.

    Raises:
        InputError: If there is no such file, or it fails.
    """
    spec = spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(f"--plugins is {path}; it takes a Python file that registers parts, such as my_parts.py.")
    module = module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses look up their module there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = _line_in(path, error)
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        raise InputError(f"{path}{line} can't be used: {kind}{error}") from error


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
