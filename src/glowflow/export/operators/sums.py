"""Functions that add numbers of several places: reductions, products, convolutions, norms, attention."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.errors import InputError
from glowflow.export.symbols import OPERATORS, Call, Operator, Symbol, composes, translates

REDUCED = {
    "amax": "ReduceMax",
    "amin": "ReduceMin",
    "logsumexp": "ReduceLogSumExp",
    "mean": "ReduceMean",
    "prod": "ReduceProd",
    "sum": "ReduceSum",
}
"""Functions along some dimensions."""


def _reduced(operator: str) -> Operator:
    def reduce(call: Call, x: Symbol, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:  # noqa: ANN401, FBT001, FBT002
        dims = range(x.ndim) if dim is None else dim if isinstance(dim, Sequence) else [dim]
        axes = call.whole(*(each % x.ndim for each in dims))
        return call.node(operator, x, axes, keepdims=int(keepdim))

    return reduce


OPERATORS.update({name: _reduced(operator) for name, operator in REDUCED.items()})


@composes("all")
def _all(x: Tensor) -> Tensor:
    return x.float().amin() > 0


@composes("any")
def _any(x: Tensor) -> Tensor:
    return x.float().amax() > 0


@translates("softmax")
def _softmax(call: Call, x: Symbol, dim: int, **_: Any) -> Any:  # noqa: ANN401
    return call.node("Softmax", x, axis=dim % x.ndim)


@translates("log_softmax")
def _log_softmax(call: Call, x: Symbol, dim: int, **_: Any) -> Any:  # noqa: ANN401
    return call.node("LogSoftmax", x, axis=dim % x.ndim)


@translates("matmul")
def _matmul(call: Call, first: Tensor, second: Tensor) -> Any:  # noqa: ANN401
    return call.node("MatMul", first, second)


@composes("linear")
def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product = x @ weight.mT
    return product if bias is None else product + bias


PADDED = {"same": "SAME_UPPER", "valid": "VALID"}
"""Kinds of padding that have a name."""


@translates("conv2d")
def _conv2d(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None, *others: Any, **named: Any) -> Any:  # noqa: ANN401
    """The other arguments are, in this order: stride, padding, dilation, groups."""
    given = dict(zip(("stride", "padding", "dilation", "groups"), others, strict=False)) | named
    if given.get("groups", 1) == 1:
        x, weight = _safe(x, weight)
    attributes: dict[str, Any] = {"group": given.get("groups", 1)}
    attributes |= {f"{name}s": _pair(given.get(name, 1)) for name in ("stride", "dilation")}
    padding = given.get("padding", 0)
    attributes |= {"auto_pad": PADDED[padding]} if isinstance(padding, str) else {"pads": _pair(padding) * 2}
    operands = [each for each in (x, weight, bias) if each is not None]
    return call.node("Conv", *operands, **attributes)


def _safe(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution's input and kernel, with channels of zeros if their number is one that a runtime gets wrong.

    ONNX Runtime 1.30 computes wrong numbers by WebGPU for 6, 9 and 18 channels and kernels of 3x3, a known error.
    It is right for multiples of 4.
    """
    channels, side = weight.shape[1], weight.shape[-1]
    if side == 1 or channels <= 3 or channels % 3 or channels % 4 == 0:
        return x, weight
    zeros = (0, 0, 0, 0, 0, -channels % 4)
    return F.pad(x, zeros), F.pad(weight, zeros)


def _pair(value: Any) -> list[int]:  # noqa: ANN401
    return list(value) if isinstance(value, Sequence) else [value, value]


@translates("layer_norm")
def _layer_norm(call: Call, x: Symbol, shape: Sequence[int], *others: Any, **named: Any) -> Any:  # noqa: ANN401
    """The other arguments are, in this order: weight, bias, eps."""
    given = dict(zip(("weight", "bias", "eps"), others, strict=False)) | named
    weight = torch.ones(tuple(shape)) if given.get("weight") is None else given["weight"]
    operands = [each for each in (x, weight, given.get("bias")) if each is not None]
    return call.node("LayerNormalization", *operands, axis=-len(shape), epsilon=given.get("eps", 1e-5))


@composes("glu")
def _glu(x: Tensor, dim: int = -1) -> Tensor:
    value, gate = x.chunk(2, dim)
    return value * gate.sigmoid()


@composes("scaled_dot_product_attention")
def _attention(q: Tensor, k: Tensor, v: Tensor, **others: Any) -> Tensor:  # noqa: ANN401
    if others:
        raise InputError("glowflow can't translate torch's attention with a mask, dropout or a scale to ONNX.")
    return (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) @ v
