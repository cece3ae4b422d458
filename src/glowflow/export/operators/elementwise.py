"""Functions of each number by itself."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.errors import InputError
from glowflow.export.symbols import OPERATORS, Call, Operator, Symbol, composes, translates

UNARY = {
    "abs": "Abs",
    "ceil": "Ceil",
    "cos": "Cos",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "invert": "Not",
    "log": "Log",
    "logical_not": "Not",
    "neg": "Neg",
    "reciprocal": "Reciprocal",
    "relu": "Relu",
    "round": "Round",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "tan": "Tan",
    "tanh": "Tanh",
}
"""Functions of each number of a tensor."""
BINARY = {
    "add": "Add",
    "and": "And",
    "div": "Div",
    "eq": "Equal",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "logical_and": "And",
    "logical_or": "Or",
    "lt": "Less",
    "maximum": "Max",
    "minimum": "Min",
    "mul": "Mul",
    "or": "Or",
    "pow": "Pow",
    "sub": "Sub",
}
"""Functions of two tensors, or of a tensor and a number."""
REVERSED = {"rdiv": "Div", "rpow": "Pow", "rsub": "Sub"}
"""The same with the second argument first."""


def _alike(call: Call, *operands: Any) -> list[str]:  # noqa: ANN401
    """Operands, as the type that torch computes in."""
    first, *others = operands
    dtype = torch.result_type(first, others[0]) if others else first.dtype
    return [_typed(call, operand, dtype) for operand in operands]


def _typed(call: Call, operand: Any, dtype: torch.dtype) -> str:  # noqa: ANN401
    if not isinstance(operand, Symbol):
        return call.named(torch.as_tensor(operand).to(dtype))
    return operand.value if operand.dtype == dtype else call.cast(operand, dtype)


def _elementwise(operator: str, order: int = 1) -> Operator:
    def add(call: Call, *operands: Any, **_: Any) -> Any:  # noqa: ANN401
        return call.node(operator, *_alike(call, *operands)[::order])

    return add


for _names, _order in ((UNARY, 1), (BINARY, 1), (REVERSED, -1)):
    OPERATORS.update({name: _elementwise(operator, _order) for name, operator in _names.items()})


@translates("where")
def _where(call: Call, first: Any, second: Any, third: Any) -> Any:  # noqa: ANN401
    """`torch.where(condition, x, y)` and `x.where(condition, y)`."""
    first_is_condition = isinstance(first, Tensor) and first.dtype == torch.bool
    condition, x = (first, second) if first_is_condition else (second, first)
    return call.node("Where", condition, *_alike(call, x, third))


@translates("clamp", "clip")
def _clamp(call: Call, x: Symbol, min: Any = None, max: Any = None) -> Any:  # noqa: ANN401, A002
    for operator, bound in (("Max", min), ("Min", max)):
        if bound is not None:
            x = call.node(operator, x, _typed(call, bound, call.result.dtype))
    return x if isinstance(x, str) else call.node("Identity", x)


@translates("rshift")
def _rshift(call: Call, x: Symbol, bits: int) -> Any:  # noqa: ANN401
    return call.node("BitShift", *_alike(call, x, bits), direction="RIGHT")


@translates("to", "type_as", "float", "double", "bool", "int", "long")
def _to(call: Call, x: Symbol, *_to: Any, **_: Any) -> Any:  # noqa: ANN401
    if not isinstance(x, Symbol):  # another argument is one
        return x.to(call.result.dtype)
    return x.value if x.dtype == call.result.dtype else call.cast(x, call.result.dtype)


@translates("softplus")
def _softplus(call: Call, x: Symbol) -> Any:  # noqa: ANN401
    return call.node("Softplus", x)


@composes("square")
def _square(x: Tensor) -> Tensor:
    return x * x


@composes("log1p")
def _log1p(x: Tensor) -> Tensor:
    return (x + 1).log()


@composes("rsqrt")
def _rsqrt(x: Tensor) -> Tensor:
    return 1 / x.sqrt()


@composes("silu")
def _silu(x: Tensor, inplace: bool = False) -> Tensor:  # noqa: FBT001, FBT002 (as torch has it)
    return x * x.sigmoid()


@composes("gelu")
def _gelu(x: Tensor, approximate: str = "none") -> Tensor:
    if approximate != "none":
        raise InputError(f"glowflow can't translate torch's gelu with the approximation {approximate!r} to ONNX.")
    return 0.5 * x * (1 + (x / sqrt(2)).erf())


@composes("log_sigmoid")
def _log_sigmoid(x: Tensor) -> Tensor:
    return -F.softplus(-x)


@composes("addcmul")
def _addcmul(x: Tensor, first: Tensor, second: Tensor, value: float = 1) -> Tensor:
    return x + (first * second if value == 1 else value * first * second)


NEAR_ZERO = [2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503]
NEAR_ZERO += [-0.00417768164, 0.246640727, 1.50140941]
"""Coefficients of the inverse error function near 0, that of the highest power first."""
NEAR_ONE = [-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613]
NEAR_ONE += [0.00943887047, 1.00167406, 2.83297682]
"""The same near -1 and 1."""


@composes("erfinv")
def _erfinv(y: Tensor) -> Tensor:
    """Giles 2010, Approximating the erfinv function, in single precision."""
    w = -((1 - y) * (1 + y)).log()
    near = _polynomial(w - 2.5, NEAR_ZERO)
    far = _polynomial(w.clamp(min=5).sqrt() - 3, NEAR_ONE)
    return torch.where(w < 5, near, far) * y


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """The value of a polynomial, whose coefficients begin with that of the highest power."""
    first, *others = coefficients
    value = first * x
    for coefficient in others[:-1]:
        value = (value + coefficient) * x
    return value + others[-1]
