"""Freed memory is kept for reuse, or given back."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from glowflow.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(30):  # which settles after a few
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_kept_memory_is_not_asked_for_again() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True).stdout)
        for how in ("kept", "handed back")
    }
    assert faults["kept"] < 100 < faults["handed back"]
