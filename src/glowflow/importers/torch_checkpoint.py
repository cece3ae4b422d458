"""PyTorch's checkpoint files, without running the code that a pickle may hold."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from glowflow.errors import InputError

NESTS = ("model", "state_dict", "model_state_dict", "module", "network", "net", "state_dict_ema", "model_ema", "ema")
"""Keys under which checkpoints hold a state dict. If there are several, the first in this order is read."""

WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Parts of names that torch.compile and other wrappers add where a module was wrapped."""

PREFIXES = ("module.", "model.")
"""Prefixes that torch.nn.DataParallel, or a trainer that holds the model, puts before all names."""

COUNTER = "n_averaged"
"""A tensor that torch.optim.swa_utils.AveragedModel stores beside the model."""


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a model's state dict, on the CPU, by their names in the model itself.

    Args:
        path: A file of torch.save with a state dict, which may be nested under keys in NESTS.

    Raises:
        InputError: If the file is missing or damaged, or holds no state dict.
    """
    tensors = _state_dict(_load(path))
    if tensors is None:
        nests = f"{', '.join(NESTS[:-1])} or {NESTS[-1]}"
        raise InputError(f"{path} holds no state dict (a dict of tensors by name), alone or under {nests}.")
    return _unwrapped(tensors)


def _load(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path} can't be read ({error.strerror}).") from None
    except Exception:  # a damaged file makes torch raise nearly anything, in many sentences
        raise InputError(
            f"{path} is damaged, or isn't a torch checkpoint of tensors alone; "
            "other objects aren't loaded, because they could run code."
        ) from None


def _state_dict(content: object) -> dict[str, Tensor] | None:
    """The first state dict in a checkpoint, or None."""
    if not isinstance(content, Mapping):
        return None
    if all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()):
        return dict(content)
    nested = (_state_dict(content.get(name)) for name in NESTS)
    return next((found for found in nested if found), None)


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their names, without what nested wrappers and trainers added.

    >>> list(_unwrapped({"module._orig_mod.model.a": torch.ones(()), "module._orig_mod.model.b": torch.ones(())}))
    ['a', 'b']
    """
    for wrapper in WRAPPERS:
        tensors = {name.replace(wrapper, ""): tensor for name, tensor in tensors.items()}
    rest = {name: tensor for name, tensor in tensors.items() if name != COUNTER}
    for prefix in PREFIXES:
        if rest and all(name.startswith(prefix) for name in rest):
            return _unwrapped({name.removeprefix(prefix): tensor for name, tensor in rest.items()})
    return tensors
