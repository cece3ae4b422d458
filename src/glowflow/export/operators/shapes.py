"""Functions that move numbers to other places: shapes, orders, parts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from glowflow.export.symbols import BATCH, COMPOSED, OPERATORS, Call, Operator, Symbol, composes, translates

SAME = ("clone", "contiguous", "detach")
"""Functions that give the same numbers in the same shape."""
RESHAPED = ("flatten", "reshape", "squeeze", "unflatten", "unsqueeze", "view", "view_as")
"""Functions that give the same numbers, in the same order, in another shape."""
TRANSPOSED = ("mT", "movedim", "permute", "transpose")
"""Functions that reorder the dimensions."""


@translates(*SAME)
def _same(_: Call, x: Symbol, *_args: Any, **_kwargs: Any) -> str:  # noqa: ANN401
    return x.value


@translates(*RESHAPED)
def _reshape(call: Call, x: Symbol, *_args: Any, **_kwargs: Any) -> Any:  # noqa: ANN401
    return call.reshaped(x, call.result.shape)


def _transposed(function: str) -> Operator:
    def transpose(call: Call, x: Symbol, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        places = torch.empty(tuple(range(2, x.ndim + 2)), device="meta")  # whose sizes are their dimensions' names
        method = getattr(places, function)
        moved = method(*args, **kwargs) if callable(method) else method
        return call.node("Transpose", x, perm=[size - 2 for size in moved.shape])

    return transpose


OPERATORS.update({name: _transposed(name) for name in TRANSPOSED})


@translates("expand", "expand_as", "broadcast_to")
def _expand(call: Call, x: Symbol, *_args: Any, **_kwargs: Any) -> Any:  # noqa: ANN401
    return call.expanded(x, call.result.shape) if isinstance(x, Symbol) else x.expand(call.result.shape)


@translates("cat", "concat")
def _cat(call: Call, tensors: Sequence[Tensor], dim: int = 0) -> Any:  # noqa: ANN401
    whole = [call.expanded(tensor, tensor.shape) for tensor in tensors]
    return call.node("Concat", *whole, axis=dim % call.result.ndim)


@composes("stack")
def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    return torch.cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


@translates("chunk", "split", "tensor_split")
def _split(call: Call, x: Symbol, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    sizes = call.whole(*(part.shape[dim] for part in call.result))
    found = call.node("Split", x, sizes, outputs=len(call.result), axis=dim % x.ndim)
    return [found] if isinstance(found, str) else found


@composes("unbind")
def _unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    return tuple(part.squeeze(dim) for part in x.split(1, dim))


@composes("select")
def _select(x: Tensor, dim: int, index: int) -> Tensor:
    return x[(slice(None),) * (dim % x.ndim) + (index,)]


@composes("narrow")
def _narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, start + length),)]


@translates("getitem")
def _getitem(call: Call, x: Symbol, index: Any) -> Any:  # noqa: ANN401
    """Numbers, slices, an ellipsis, None, and at most one tensor with whole numbers."""
    places = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [place for place in places if not isinstance(place, Tensor)]:
        at = next(i for i, place in enumerate(places) if place is Ellipsis)
        places[at : at + 1] = [slice(None)] * (x.ndim - sum(place is not None for place in places) + 1)
    chosen, value = [place for place in places if place is not None], x.value
    for dim, place in enumerate(chosen):
        value = _taken(call, value, x.shape[dim], dim, place)
    return call.reshaped(value, call.result.shape) if any(not isinstance(p, slice | Tensor) for p in places) else value


def _taken(call: Call, value: str, size: int, dim: int, place: Any) -> str:  # noqa: ANN401
    """The value at some places along a dimension; at a single place, the dimension stays."""
    if isinstance(place, Tensor):
        return call.node("Gather", value, place, axis=dim)
    place = slice(place % size, place % size + 1) if isinstance(place, int) else place
    start, stop, step = place.indices(size)
    if (start, stop, step) == (0, size, 1):
        return value
    return call.node("Slice", value, *(call.whole(number) for number in (start, stop, dim, step)))


@composes("flip")
def _flip(x: Tensor, *dims: Any) -> Tensor:  # noqa: ANN401
    for dim in dims[0] if isinstance(dims[0], Sequence) else dims:
        x = x.index_select(dim, torch.arange(x.shape[dim] - 1, -1, -1))
    return x


@translates("index_select")
def _index_select(call: Call, x: Symbol, dim: int, index: Tensor) -> Any:  # noqa: ANN401
    return call.node("Gather", x, index, axis=dim % x.ndim)


@translates("pad")
def _pad(call: Call, x: Symbol, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:  # noqa: ANN401
    left, right = list(pad[-2::-2]), list(pad[-1::-2])
    unpadded = [0] * (x.ndim - len(left))
    kinds = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    filling = call.named(torch.tensor(value or 0.0).to(x.dtype))
    return call.node("Pad", x, call.whole(*unpadded, *left, *unpadded, *right), filling, mode=kinds[mode])


@translates("pixel_shuffle")
def _pixel_shuffle(call: Call, x: Symbol, upscale_factor: int) -> Any:  # noqa: ANN401
    return call.node("DepthToSpace", x, blocksize=upscale_factor, mode="CRD")


@composes("pixel_unshuffle")
def _pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    side, (batch, channels, height, width) = downscale_factor, x.shape
    blocks = x.reshape(batch, channels, height // side, side, width // side, side).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(batch, channels * side**2, height // side, width // side)


@translates("one_hot")
def _one_hot(call: Call, y: Symbol, num_classes: int = -1) -> Any:  # noqa: ANN401
    return call.node("OneHot", y, call.whole(num_classes), call.whole(0, 1), axis=-1)


def _filled(number: int) -> Operator:
    """A constant of some size, which isn't recorded, so it's no symbol."""

    def fill(like: Symbol, *size: Any, dtype: torch.dtype | None = None, **_: Any) -> Tensor:  # noqa: ANN401
        shape = torch.empty(*size, device="meta").shape
        alone = [1 if size == BATCH else size for size in shape]
        return torch.full(alone, number, dtype=dtype or like.dtype).expand(shape)

    return fill


def _filled_like(number: int) -> Operator:
    def fill(call: Call, _: Symbol, **_kwargs: Any) -> Any:  # noqa: ANN401
        return call.expanded(torch.full((1,) * call.result.ndim, number, dtype=call.result.dtype), call.result.shape)

    return fill


COMPOSED |= {"new_zeros": _filled(0), "new_ones": _filled(1)}
OPERATORS |= {"zeros_like": _filled_like(0), "ones_like": _filled_like(1)}
