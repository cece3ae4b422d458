"""The checkpoints of a run: finding the newest, setting damaged ones aside, and the optimiser's part."""

import shutil
from pathlib import Path

from torch import Tensor
from torch.optim import Optimizer

from glowflow import weights
from glowflow.durable import rename_directory, verify
from glowflow.errors import InputError
from glowflow.progress import say
from glowflow.training.run import DAMAGED, LAST, PREVIOUS

OPTIMIZER = "optimizer.safetensors"
PROGRESS = "training.json"


def present(out: Path) -> list[Path]:
    """The checkpoints of the run in `out`, the newest first."""
    return [out / name for name in (LAST, PREVIOUS) if (out / name).exists()]


def set_aside_damaged(out: Path) -> None:
    """Rename damaged checkpoints, and report them, so that the run goes on from the one before.

    Raises:
        InputError: If there are checkpoints, and all are damaged.
    """
    checkpoints = present(out)
    damage = {directory: sentence for directory in checkpoints if (sentence := _damage(directory))}
    if checkpoints and len(damage) == len(checkpoints):
        raise InputError(
            f"{' '.join(damage.values())} {out} has no undamaged checkpoint: give another --out to start again."
        )
    for directory, sentence in damage.items():
        say(f"{sentence} The checkpoint is set aside as {out / DAMAGED}, and the other one is used.")
        shutil.rmtree(out / DAMAGED, ignore_errors=True)
        rename_directory(directory, out / DAMAGED)


def _damage(directory: Path) -> str:
    """A sentence about the damage of a checkpoint; empty if there is none."""
    try:
        verify(directory)
    except InputError as error:
        return str(error)
    return ""


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as tensors, named by the parameter's number and the name of the entry."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor for number, entry in state.items() for name, tensor in entry.items()}


def restore_optimizer(optimizer: Optimizer, path: Path) -> None:
    """Load what `optimizer_tensors` gave from a file; InputError if it doesn't fit."""
    content = optimizer.state_dict()
    content["state"] = {}
    for key, tensor in weights.load_tensors(path).items():
        number, _, name = key.partition(".")
        content["state"].setdefault(int(number), {})[name] = tensor.clone()  # not a view of the file
    numbers = {number for group in content["param_groups"] for number in group["params"]}
    if not content["state"].keys() <= numbers:
        raise InputError(f"{path} is of another run: it has more parameters than the {len(numbers)} of this one.")
    optimizer.load_state_dict(content)
