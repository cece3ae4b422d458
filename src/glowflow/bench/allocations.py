"""How much memory a computation holds, counted from its tensors: the same on every machine and run."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

BEFORE = -1
"""Number of storages that were there before."""


class _Allocations(TorchDispatchMode):
    """Notes when the storage of each new tensor comes and goes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.events: list[tuple[int, int]] = []
        """Number of a storage, and its bytes, negative when it goes."""
        self.numbers = WeakIdKeyDictionary()
        """The living storages' numbers."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 (whatever the operation gives)
        for storage in _storages((args, kwargs)):
            self.numbers.setdefault(storage, BEFORE)
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            self._note(storage)
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage not in self.numbers:
            number, size = len(self.events), storage.nbytes()
            self.numbers[storage] = number
            self.events.append((number, size))
            weakref.finalize(storage, self.events.append, (number, -size))


def _storages(tree: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def activation_bytes(loss: Callable[[], Tensor], parameters: Iterable[Tensor]) -> int:
    """The most that a training step's forward and backward pass hold at once, in bytes.

    Counts every tensor made on the way, but for the gradients that stay. Parameters, data and the optimiser's state
    were there before. What a library allocates within one operation is not seen.

    Args:
        loss: Computes a scalar.
        parameters: Whose gradients stay; they must have none yet.
    """
    with _Allocations() as allocations:
        loss().backward()
    kept = {allocations.numbers.get(p.grad.untyped_storage()) for p in parameters if p.grad is not None}
    held = largest = 0
    for number, size in allocations.events:
        held += 0 if number in kept else size
        largest = max(largest, held)
    return largest
