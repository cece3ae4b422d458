"""What a command that runs out of memory tells its user."""

import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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
"""By these words in an error's message, of any case, one knows that it's the memory that doesn't suffice."""

HELPS = {
    "train": "--micro-batch 8 or --memory reversible, for the same result; or, in another --out, by a smaller "
    "--train.batch_size, --train.init_batch_size or --model.width",
    "batch": "a smaller --batch",
    "num": "a smaller --num",
    "num_images": "a smaller --num-images",
    "images": "fewer images at a time",
}
"""What takes less memory, by the parameter that a command has for it."""


@contextmanager
def explained(parameters: Iterable[str]) -> Iterator[None]:
    """Turn every way of running out of memory into one sentence, for a command that has these parameters.

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
        raise MemoryShortError(f"There isn't enough memory{_asked(error)}. {_advice(set(parameters))}") from None


def is_exhausted(error: Exception) -> bool:
    """Whether an error says that there isn't enough memory, of the machine or of its GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS)


def _asked(error: Exception) -> str:
    """How much more was needed, where the error says it."""
    found = re.search(r"allocate (\d+(?:\.\d+)?) ?(bytes|[KMGTPE]iB)", str(error))
    if found is None:
        return ""
    amount, unit = (f"{int(found[1]) / 2**30:,.1f}", "GiB") if found[2] == "bytes" else found.groups()
    return f" (the last request was for {amount} {unit} more)"


def _advice(parameters: set[str]) -> str:
    helps = [text for name, text in HELPS.items() if name in parameters]
    less = f"Less is taken by {' or '.join(filter(None, [', '.join(helps[:-1]), helps[-1]]))}." if helps else ""
    going_on = "The run's last checkpoint is as it was." if "train" in parameters else ""
    return " ".join(filter(None, [less or "End other programs, or use a machine that has more.", going_on]))
