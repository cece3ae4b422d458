"""The pickled batches of CIFAR, read without letting them run anything.

A pickle names functions that its reader calls. Here the only names are those in pickled arrays, and they stand for
functions of this file, so a batch can only make an array of bytes. NumPy's own functions aren't called, because a
forged type can make them read foreign memory.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from glowflow.data.published.reading import Images, refused
from glowflow.errors import InputError


def load(path: Path) -> dict[str, Any]:
    """The dictionary in a file: text, numbers, lists, and uint8 arrays; InputError if it asks for anything else."""
    with refused(path), path.open("rb") as file:
        content = _Unpickler(file, encoding="latin1").load()
    if not isinstance(content, dict):
        raise InputError(f"{path} can't be read: it should hold a dictionary, as the batches of CIFAR do.")
    return {key: value.array if isinstance(value, _Array) else value for key, value in content.items()}


class _Unpickler(pickle.Unpickler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.admitted = _admitted()

    def find_class(self, module: str, name: str) -> object:
        try:
            return self.admitted[module, name]
        except KeyError:
            message = f"it asks for {module}.{name}, which no array needs and which was not run"
            raise pickle.UnpicklingError(message) from None


def _admitted() -> dict[tuple[str, str], Callable[..., object]]:
    """The function of each name. The table is made again for each file, so that no file can change it for the next."""
    return {
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
        ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(),
        ("numpy", "ndarray"): lambda *_: None,
        ("numpy", "dtype"): lambda name, *_: _Type(name),
        ("_codecs", "encode"): lambda text, *_: text.encode("latin1"),
    }


class _Type:
    """Stands for a pickled dtype."""

    __slots__ = ("name",)

    def __init__(self, name: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Byte order and fields don't matter for bytes."""


class _Array:
    """Stands for a pickled array."""

    __slots__ = ("array",)
    array: Images

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, content = state
        if kind.name not in {"u1", "uint8"} or is_fortran:
            raise pickle.UnpicklingError(f"an array has type {kind.name}, and not uint8 in C order")
        raw = content.encode("latin1") if isinstance(content, str) else content
        self.array = np.frombuffer(raw, np.uint8).reshape(shape)
