"""PyTorch's checkpoint files, without running the code that a pickle may hold."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from glowflow.errors import InputError

NESTS = ("model", "state_dict")
"""Where checkpoints that hold more than a state dict keep it."""

PARALLEL = "module."
"""What torch.nn.DataParallel puts before every name."""


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a model's state dict, by name, on the CPU.

    Args:
        path: A file that torch.save wrote: a state dict, or a dict with one under "model" or "state_dict".

    Raises:
        InputError: If it's missing, damaged, or holds something else.
    """
    tensors = _state_dict(_load(path))
    if tensors is None:
        raise InputError(f"{path} holds no state dict: tensors by name, alone or under {' or '.join(NESTS)}.")
    parallel = all(name.startswith(PARALLEL) for name in tensors)
    return {name.removeprefix(PARALLEL if parallel else ""): tensor for name, tensor in tensors.items()}


def _load(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path} can't be read ({error.strerror}).") from None
    except Exception:  # a damaged file makes torch raise nearly anything, in many sentences
        raise InputError(
            f"{path} is damaged, or no torch checkpoint of tensors alone; "
            "other objects aren't loaded, since they could run code."
        ) from None


def _state_dict(content: object) -> dict[str, Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    nested = [content[name] for name in NESTS if isinstance(content.get(name), Mapping)]
    tensors = dict(nested[0] if nested else content)
    is_one = all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items())
    return tensors if is_one else None
