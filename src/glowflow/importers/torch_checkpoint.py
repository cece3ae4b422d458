"""PyTorch's checkpoint files, without running the code that a pickle may hold."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from glowflow.errors import InputError

NESTS = ("model", "state_dict", "model_state_dict", "module", "network", "net", "state_dict_ema", "model_ema", "ema")
"""Where checkpoints that hold more than a state dict keep it; of several, the first is read."""

WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""What torch.compile and other wrappers of torch's put into names, wherever a module was wrapped."""

PREFIXES = ("module.", "model.")
"""What may stand before every name: torch.nn.DataParallel's, and that of a trainer that holds the model."""

COUNTER = "n_averaged"
"""What torch.optim.swa_utils.AveragedModel keeps beside the model."""


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a model's state dict on the CPU, by the names that they have in the model itself.

    Args:
        path: A file that torch.save wrote: a state dict, or a dict with one under one of NESTS, nested or not.

    Raises:
        InputError: If it's missing, damaged, or holds something else.
    """
    tensors = _state_dict(_load(path))
    if tensors is None:
        nests = f"{', '.join(NESTS[:-1])} or {NESTS[-1]}"
        raise InputError(f"{path} holds no state dict, which is tensors by name, alone or under {nests}.")
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
            f"{path} is damaged, or no torch checkpoint of tensors alone; "
            "other objects aren't loaded, since they could run code."
        ) from None


def _state_dict(content: object) -> dict[str, Tensor] | None:
    """The first state dict in a checkpoint."""
    if not isinstance(content, Mapping):
        return None
    if all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()):
        return dict(content)
    nested = (_state_dict(content.get(name)) for name in NESTS)
    return next((found for found in nested if found), None)


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their names without what wrappers and trainers added, however they are nested.

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
