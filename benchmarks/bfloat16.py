"""Emulation of bfloat16 arithmetic on a machine that doesn't have it.

Products of bfloat16 tensors are computed in float32 and rounded to bfloat16, which is what hardware does, because
it accumulates in float32.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from glowflow.execution import fast_precision

PRODUCTS = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
}


class EmulatedBfloat16(TorchDispatchMode):
    """Products of bfloat16 tensors are computed in float32 and rounded."""

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Run an operation of PyTorch's."""
        if function in PRODUCTS and any(_is_bfloat16(argument) for argument in args):
            exact = function(*tree_map_only(Tensor, Tensor.float, args), **(kwargs or {}))
            return tree_map_only(Tensor, Tensor.bfloat16, exact)
        return function(*args, **(kwargs or {}))


def _is_bfloat16(argument: object) -> bool:
    return isinstance(argument, Tensor) and argument.dtype == torch.bfloat16


@contextmanager
def arithmetic() -> Iterator[str]:
    """Return "native", or emulate bfloat16 and return "emulated"."""
    if fast_precision("cpu"):
        yield "native"
    else:
        with EmulatedBfloat16():  # type: ignore[no-untyped-call]
            yield "emulated"
