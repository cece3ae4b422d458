"""The C library's allocator."""

import ctypes
import sys
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones, for as long as the process lives.

    Every training step frees and allocates the same tensors. By default the larger ones go back to the kernel, which
    has to find them again, page by page. That can be a tenth of the time (docs/performance.md). Nothing happens where
    the C library isn't glibc.
    """
    if mallopt := _function("mallopt"):
        mallopt(M_TRIM_THRESHOLD, -1)
        mallopt(M_MMAP_MAX, 0)


def give_back_freed_memory() -> None:
    """Have glibc give freed memory back to the kernel now.

    Each thread has a heap of its own, which keeps what the thread has freed. If many threads have freed a large image
    each, that's as much as all these images took. Nothing happens where the C library isn't glibc.
    """
    if trim := _function("malloc_trim"):
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it isn't glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
