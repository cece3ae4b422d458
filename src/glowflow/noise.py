"""Random numbers for images: those of the first images don't depend on how many images there are."""

import torch
from torch import Tensor


def normal(
    num: int,
    size: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Standard normal numbers (num, size) on a device.

    >>> two, three = (normal(num, 12, torch.Generator().manual_seed(0)) for num in (2, 3))
    >>> torch.equal(two, three[:2])
    True

    Args:
        num: How many images.
        size: Numbers for each.
        generator: What draws them, on its own device; by default the device's.
        device: Where they are then.
        dtype: Their type.
    """
    numbers = torch.empty(num, size, device=generator.device if generator else device, dtype=dtype)
    for row in numbers:  # torch draws the last few numbers of a tensor in another way, so each image has its own
        row.normal_(generator=generator)
    return numbers.to(device)


def uniform(num: int, size: int, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """Numbers (num, size), float32, uniform in [0, 1); see `normal`."""
    numbers = torch.empty(num, size, device=generator.device)
    for row in numbers:
        row.uniform_(generator=generator)
    return numbers.to(device)
