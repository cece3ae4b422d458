"""The memory that a computation holds, counted from its tensors, so that it's the same on every machine."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

BEFORE = -1
"""The number that all storages have which existed before."""


class _Allocations(TorchDispatchMode):
    """Records when the storage of each new tensor is made and freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.events: list[tuple[int, int]] = []
        """The number of a storage, and its bytes, negative when it's freed."""
        self.numbers = WeakIdKeyDictionary()
        """The numbers of the storages that exist."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 (any operation's result)
        for storage in _storages((args, kwargs)):
            self.numbers.setdefault(storage, BEFORE)
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            if storage not in self.numbers:
                number, size = len(self.events), storage.nbytes()
                self.numbers[storage] = number
                self.events.append((number, size))
                weakref.finalize(storage, self.events.append, (number, -size))
        return result


def _storages(tree: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def activation_bytes(loss: Callable[[], Tensor], parameters: Iterable[Tensor]) -> int:
    """The largest number of bytes that the forward and backward pass of a training step hold at once.

    All tensors that the passes make are counted, except for the gradients of parameters. Memory that a library
    allocates within one operation isn't seen.

    Args:
        loss: A function that computes a scalar.
        parameters: The parameters, which must have no gradients yet.
    """
    with _Allocations() as allocations:
        loss().backward()
    kept = {allocations.numbers.get(p.grad.untyped_storage()) for p in parameters if p.grad is not None}
    held = largest = 0
    for number, size in allocations.events:
        held += 0 if number in kept else size
        largest = max(largest, held)
    return largest
