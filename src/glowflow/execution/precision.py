"""Which type the networks had better compute in on a device."""

import time

import torch

WORTHWHILE = 1.3
"""How many times faster a lower precision has to be before it is chosen."""


def fast_precision(device: str | torch.device) -> torch.dtype | None:
    """torch.bfloat16 where matrices multiply much faster in it on this device, else None; found by trying."""
    seconds = {dtype: _multiplication_seconds(torch.device(device), dtype) for dtype in (torch.float32, torch.bfloat16)}
    return torch.bfloat16 if seconds[torch.float32] > WORTHWHILE * seconds[torch.bfloat16] else None


def _multiplication_seconds(device: torch.device, dtype: torch.dtype) -> float:
    """The shortest of a few trials."""
    size = 512 if device.type == "cpu" else 4096  # a GPU must have something to do
    matrix, seconds = torch.ones(size, size // 2, device=device, dtype=dtype), []
    for _ in range(5):
        began = time.perf_counter()
        (matrix @ matrix.T).sum().item()  # waits for the device
        seconds.append(time.perf_counter() - began)
    return min(seconds)
