"""The message of a command that runs out of memory."""

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter
from pathlib import Path

from glowflow.errors import InputError, MemoryShortError

SIGNS = (
    "out of memory",  # CUDA's and Apple's
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",  # Windows'
    "alloc_failed",  # cuBLAS's and cuDNN's
    "bad_alloc",
    "calculation overflowed",  # PyTorch's, of a size that no memory has
    "maximum allowed dimension",  # numpy's
    "array is too big",
)
"""An error whose message has one of these words, in upper or lower case, means that there isn't enough memory."""

HELPS = {
    "train": "--micro-batch 8 or --memory reversible, for the same result; or, in another --out, a smaller "
    "--train.batch-size, --train.init-batch-size or --model.width",
    "batch": "a smaller --batch",
    "block": "a smaller --block",
    "num": "a smaller --num",
    "num_images": "a smaller --num-images",
    "images": "fewer images at a time",
}
"""What takes less memory, by a parameter of the command."""


@contextmanager
def explained(parameters: Mapping[str, Parameter]) -> Iterator[None]:
    """Turn every error about too little memory into advice for a command with these parameters.

    Raises:
        MemoryShortError: Instead of what libraries raise: `MemoryError`, `torch.OutOfMemoryError`, `RuntimeError`, ...
    """
    try:
        yield
    except InputError:
        raise
    except (MemoryError, RuntimeError, ValueError, OSError) as error:
        if not is_exhausted(error):
            raise
        raise MemoryShortError(f"There isn't enough memory{_asked(error)}. {_advice(parameters)}") from None


def is_exhausted(error: Exception) -> bool:
    """True if an error says that the machine, or its GPU, has too little memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS)


def _asked(error: Exception) -> str:
    """The amount that was requested, if the error says it."""
    found = re.search(r"allocate (\d+(?:\.\d+)?) ?(bytes|[KMGTPE]iB)", str(error))
    if found is None:
        return ""
    amount, unit = (f"{int(found[1]) / 2**30:,.1f}", "GiB") if found[2] == "bytes" else found.groups()
    return f" (the last request was for {amount} {unit} more)"


def _advice(parameters: Mapping[str, Parameter]) -> str:
    """Say what the user can do."""
    helps = [text for name, text in HELPS.items() if name in parameters and not _is_length(parameters[name])]
    less = f"To take less, give {' or '.join(helps)}." if helps else "End other programs, or use a larger machine."
    return f"{less} The run's last checkpoint is as it was." if "train" in parameters else less


def _is_length(parameter: Parameter) -> bool:
    """True for a length of trainings in images, and not for images that are in memory together."""
    return parameter.name == "images" and parameter.annotation != list[Path]
