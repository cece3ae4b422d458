"""Which type the networks should compute in on a device."""

import time

import torch

WORTHWHILE = 1.3
"""How many times faster a lower precision has to be before it is chosen."""


def fast_precision(device: str | torch.device) -> torch.dtype | None:
    """torch.bfloat16 if a trial shows that this device multiplies matrices much faster in it, else None."""
    seconds = {dtype: _multiplication_seconds(torch.device(device), dtype) for dtype in (torch.float32, torch.bfloat16)}
    return torch.bfloat16 if seconds[torch.float32] > WORTHWHILE * seconds[torch.bfloat16] else None


def _multiplication_seconds(device: torch.device, dtype: torch.dtype) -> float:
    """The shortest time of a few trials."""
    size = 512 if device.type == "cpu" else 4096  # a small one wouldn't keep a GPU busy
    matrix, seconds = torch.ones(size, size // 2, device=device, dtype=dtype), []
    for _ in range(5):
        began = time.perf_counter()
        (matrix @ matrix.T).sum().item()  # waits for the device
        seconds.append(time.perf_counter() - began)
    return min(seconds)
