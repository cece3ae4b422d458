"""Paths between two latents, and new latents with the same coarse levels."""

from math import prod
from typing import Literal

import torch
from torch import Tensor

from glowflow.model import Glow
from glowflow.noise import normal

Path = Literal["linear", "spherical"]


def interpolate(first: Tensor, last: Tensor, num: int, path: Path = "linear") -> Tensor:
    """Latents (num, D) on a path whose ends are exactly `first` and `last`, each (D,).

    The "linear" path is straight, as in the paper (section 6). The "spherical" path turns from one direction to the
    other at constant speed while the length changes evenly, so it stays as far out as standard normal latents are. Its
    direction is (sin((1 - t) a) u + sin(t a) v) / sin(a), with u and v the ends' directions and a the angle between.

    >>> import torch
    >>> interpolate(torch.tensor([0.0, 2.0]), torch.tensor([4.0, 0.0]), 3)
    tensor([[0., 2.],
            [2., 1.],
            [4., 0.]])
    >>> interpolate(torch.tensor([0.0, 2.0]), torch.tensor([4.0, 0.0]), 3, "spherical").norm(dim=1).round()
    tensor([2., 3., 4.])

    Raises:
        ValueError: If there are fewer than 2 points, or the latents differ in shape.
    """
    if num < 2 or first.shape != last.shape or first.ndim != 1:
        raise ValueError(f"A path takes 2 points or more and latents (D,), not {num} and {tuple(first.shape)}.")
    share = torch.linspace(0, 1, num, dtype=first.dtype, device=first.device)[:, None]
    points = _linear(first, last, share) if path == "linear" else _spherical(first, last, share)
    return torch.cat([first[None], points[1:-1], last[None]])


def redraw(
    model: Glow, z: Tensor, keep: int, temperature: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """Latents (B, D) with the `keep` coarsest levels of z (B, D). The finer levels are drawn again.

    >>> from glowflow import GlowConfig
    >>> model = Glow(GlowConfig((3, 16, 16), steps=1, width=8))  # of 2 levels
    >>> z = torch.randn(2, 768)
    >>> torch.equal(redraw(model, z, keep=2), z), torch.equal(redraw(model, z, keep=1), z)
    (True, False)

    Args:
        model: The model that the latents are of.
        z: Flat latents.
        keep: The number of levels to keep, from 0 to L. The top level is the coarsest.
        temperature: The standard deviation of the new latents.
        generator: A generator that makes the new latents reproducible.

    Raises:
        ValueError: If the model has fewer levels than `keep`.
    """
    shapes = model.config.latent_shapes
    if not 0 <= keep <= len(shapes):
        raise ValueError(f"The model has {len(shapes)} levels; {keep} of them can't be kept.")
    fine = sum(prod(shape) for shape in shapes[: len(shapes) - keep])
    eps = normal(len(z), fine, generator, z.device, z.dtype)
    return torch.cat([temperature * eps, z[:, fine:]], dim=1)


def _linear(first: Tensor, last: Tensor, share: Tensor) -> Tensor:
    return (1 - share) * first + share * last


def _spherical(first: Tensor, last: Tensor, share: Tensor) -> Tensor:
    lengths = first.norm(), last.norm()
    if min(lengths) == 0:
        return _linear(first, last, share)  # a latent of zeros has no direction
    towards = first / lengths[0], last / lengths[1]
    angle = torch.arccos((towards[0] @ towards[1]).clamp(-1, 1))
    if torch.sin(angle) < 4 * torch.finfo(first.dtype).eps ** 0.5:  # the accuracy of arccos
        return _linear(first, last, share)  # both lie on one line through the origin
    turned = (torch.sin((1 - share) * angle) * towards[0] + torch.sin(share * angle) * towards[1]) / torch.sin(angle)
    return _linear(*lengths, share) * turned
