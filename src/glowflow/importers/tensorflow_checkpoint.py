"""TensorFlow's checkpoint files, read and written by TensorFlow, which is an optional package."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from glowflow.errors import InputError
from glowflow.packages import imported

INDEX, DATA = ".index", ".data-00000-of-00001"


def read(checkpoint: Path) -> dict[str, Tensor]:
    """All variables of a checkpoint by their names.

    Args:
        checkpoint: The prefix of its files PREFIX.index and PREFIX.data-..., or one of these files.

    Raises:
        InputError: If a file is missing or damaged, or isn't a checkpoint.
    """
    prefix = _prefix(checkpoint)
    for file in files(checkpoint):
        if not file.is_file():
            raise InputError(f"{file} is missing: a TensorFlow checkpoint has files PREFIX{INDEX} and PREFIX{DATA}.")
    tf = _tensorflow()
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: torch.as_tensor(reader.get_tensor(name)) for name in sorted(reader.get_variable_to_shape_map())}
    except Exception as error:  # a damaged file makes it raise nearly anything
        reason = str(error).partition("\n")[0]
        raise InputError(f"{prefix} is damaged, or isn't a TensorFlow checkpoint of numbers ({reason}).") from None


def write(checkpoint: Path, variables: Mapping[str, Tensor]) -> None:
    """Write variables as a checkpoint with this prefix. The index is put in place last: no reader sees half of it.

    Raises:
        InputError: If the checkpoint exists already.
    """
    for file in files(checkpoint):
        if file.exists():
            raise InputError(f"{file} exists already: give another name.")
    checkpoint, tf = _prefix(checkpoint), _tensorflow()
    names = sorted(variables)
    arrays = [variables[name].detach().cpu().numpy() for name in names]
    with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix=f".{checkpoint.name}.") as folder:
        tf.raw_ops.SaveV2(
            prefix=f"{folder}/checkpoint", tensor_names=names, shape_and_slices=[""] * len(names), tensors=arrays
        )
        index, data = files(checkpoint)
        Path(f"{folder}/checkpoint{DATA}").replace(data)
        Path(f"{folder}/checkpoint{INDEX}").replace(index)


def files(checkpoint: Path) -> tuple[Path, Path]:
    """The index file and the data file of a checkpoint."""
    prefix = _prefix(checkpoint)
    return prefix.with_name(prefix.name + INDEX), prefix.with_name(prefix.name + DATA)


def _prefix(checkpoint: Path) -> Path:
    path = Path(os.path.abspath(checkpoint))
    name = path.name.removesuffix(INDEX).removesuffix(DATA)
    if not name:
        raise InputError(f"{checkpoint} should be PREFIX, where PREFIX{INDEX} and PREFIX{DATA} are the checkpoint.")
    return path.with_name(name)


def _tensorflow() -> Any:  # noqa: ANN401 (it has no types)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it's talkative otherwise
    return imported("tensorflow", "A TensorFlow checkpoint", "tensorflow")
