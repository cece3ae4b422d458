"""The C library's allocator."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones, for as long as the process lives.

    Every training step, and every batch of samples, frees and allocates the same tensors. By default the larger ones go
    back to the kernel, which has to find them anew, page by page; where arithmetic is fast, that's a tenth of the time
    (docs/performance.md). Nothing happens where the C library isn't glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, -1)
        mallopt(M_MMAP_MAX, 0)
