"""The C library's allocator."""

import ctypes
import sys
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Constants of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones, for as long as the process lives.

    Every training step frees and allocates the same tensors. By default glibc gives the larger ones back to the kernel,
    which has to find memory again, page by page. That can be a tenth of the time (docs/performance.md). Nothing happens
    if the C library isn't glibc.
    """
    if mallopt := _function("mallopt"):
        mallopt(M_TRIM_THRESHOLD, -1)
        mallopt(M_MMAP_MAX, 0)


def give_back_freed_memory() -> None:
    """Have glibc give freed memory back to the kernel now.

    Each thread has a heap of its own, which keeps what the thread has freed. If many threads have each freed a large
    image, the heaps keep the memory of all these images. Nothing happens if the C library isn't glibc.
    """
    if trim := _function("malloc_trim"):
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None if the library isn't glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
