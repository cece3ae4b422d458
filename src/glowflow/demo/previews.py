"""What draws the page's previews: ONNX Runtime if it's installed and faster, or else PyTorch."""

import time
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from glowflow.errors import InputError, one_line
from glowflow.export import runtime
from glowflow.model import FrozenGlow, Glow

PICTURES, TEMPERATURE = 8, 0.7
"""The random pictures that both draw for a trial."""
SECONDS = 1.0
"""A trial that has taken so long ends after two pictures."""


class Choice(NamedTuple):
    """What draws the previews."""

    decode: runtime.Decode | None
    """None for the model itself."""
    reason: str
    """A sentence about the choice; empty if there was none."""


def choose(glow: Glow) -> Choice:
    """Choose what is faster for a single picture, with as many threads as compute now."""
    are_installed, where = all(map(find_spec, ("onnx", "onnxruntime"))), (glow.device.type, glow.dtype)
    if not (are_installed and isinstance(glow, FrozenGlow) and where == ("cpu", torch.float32)):
        return Choice(None, "")
    try:
        return _faster(glow, runtime.decoder(glow, torch.get_num_threads()))
    except Exception as error:  # ONNX Runtime has its own kinds of errors
        return Choice(None, f"{_draws('PyTorch')}, because ONNX Runtime can't: {one_line(error)}")


@torch.inference_mode()
def _faster(glow: Glow, other: runtime.Decode) -> Choice:
    """The faster of the model itself and ONNX Runtime.

    Raises:
        InputError: If the pictures of ONNX Runtime are not those of the model.
    """
    own, level = partial(glow.decode, exact=False), 2 ** (8 - glow.config.num_bits)
    seconds: list[tuple[float, float]] = []
    for z, y in _latents(glow):
        if len(seconds) > 1 and sum(map(sum, seconds)) > SECONDS:
            break
        (picture, first), (same, second) = _timed(own, z, y), _timed(other, z, y)
        if (picture.int() - same.int()).abs().max() > level:
            raise InputError("its pictures are not those of the model.")
        seconds.append((first, second))
    ours, theirs = (1000 * min(each) for each in zip(*seconds, strict=True))
    (quick, faster), (slow, slower) = sorted([(ours, "PyTorch"), (theirs, "ONNX Runtime")])
    reason = f"{_draws(faster)}: it takes {quick:.1f} ms for each, and {slower} {slow:.1f} ms."
    return Choice(other if theirs < ours else None, reason)


def _draws(name: str) -> str:
    return f"{name} draws the pictures while a slider moves"


def _latents(glow: Glow) -> list[tuple[Tensor, Tensor | None]]:
    """Random latents (1, D), and labels (1,) for a class-conditional model."""
    z = TEMPERATURE * torch.randn(PICTURES, glow.config.num_dims, generator=torch.Generator().manual_seed(0))
    classes = glow.config.num_classes
    y = torch.arange(PICTURES) % classes if classes else None
    return [(z[i : i + 1], None if y is None else y[i : i + 1]) for i in range(PICTURES)]


def _timed(draw: runtime.Decode, z: Tensor, y: Tensor | None) -> tuple[Tensor, float]:
    """A picture, and the seconds that it took."""
    began = time.perf_counter()
    picture = draw(z, y)
    return picture, time.perf_counter() - began
