"""Tensors without values: what is computed with them becomes the nodes of an ONNX graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from glowflow.errors import InputError
from glowflow.export.graph import Graph, kind

BATCH = 1009
"""The number of images of a symbol. It's a prime, so every multiple of it among the sizes comes from the batch.
A model with such a size is refused (`onnx_files.write`)."""

FACTS = bool | int | str | torch.Size | torch.dtype | torch.layout
"""What a function may give beside tensors, such as a size."""

Operator = Callable[..., Any]
OPERATORS: dict[str, Operator] = {}
"""For each function of torch, by its name: adds its nodes, given a `Call` and the function's own arguments."""
COMPOSED: dict[str, Operator] = {}
"""For each function of torch, by its name: the same function, written with simpler functions of torch."""


class Symbol(Tensor):
    """A tensor without values that stands for a value of a graph.

    Functions of torch that take a symbol give symbols, and add their nodes to the graph. Functions of tensors that have
    values are computed as usual, so what follows from the weights alone becomes a constant.
    """

    graph: Graph
    value: str
    hollow: Tensor
    """The same tensor without values as one for torch's own functions."""

    @staticmethod
    def of(graph: Graph, name: str, like: Tensor) -> "Symbol":
        """A symbol of the value with a name; `like` has its shape and type."""
        hollow = _hollow(like)
        symbol = hollow.as_subclass(Symbol)
        symbol.graph, symbol.value, symbol.hollow = graph, name, hollow
        return symbol

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Compute the shape of a function's result, and record the function."""
        kwargs = kwargs or {}
        name = _name(function)
        if name == "device":
            return torch.device("cpu")  # where the constants are
        if name in COMPOSED:
            return COMPOSED[name](*args, **kwargs)
        result = function(*tree_map(_hollow, args), **tree_map(_hollow, kwargs))
        if isinstance(result, FACTS):
            return result
        recorded = _recorded(name, result, args, kwargs)
        if function.__name__.strip("_") + "_" == function.__name__:  # it changes its first argument
            args[0].value = recorded.value
        return recorded


class Call:
    """A call of a function with symbols.

    Attributes:
        graph: Where its nodes are added.
        result: A tensor without values, or several, with the shape and type of the result.
    """

    def __init__(self, graph: Graph, result: Any) -> None:  # noqa: ANN401 (a tensor, or several)
        self.graph, self.result = graph, result

    def node(self, operator: str, *operands: Any, outputs: int = 1, **attributes: Any) -> Any:  # noqa: ANN401
        """Add a node, and give the name of its output, or their names if there are several."""
        names = self.graph.node(operator, *map(self.named, operands), outputs=outputs, **attributes)
        return names if outputs > 1 else names[0]

    def named(self, operand: Any) -> str:  # noqa: ANN401 (a symbol, a tensor, a number or a name)
        """The name of an operand."""
        if isinstance(operand, str):
            return operand
        if isinstance(operand, Symbol):
            return operand.value
        return self.graph.constant(_smallest(torch.as_tensor(operand)))

    def cast(self, operand: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401
        """The operand in another type."""
        return self.node("Cast", operand, to=kind(dtype))

    def expanded(self, operand: Any, shape: Sequence[int]) -> Any:  # noqa: ANN401
        """The operand, repeated to get a shape. A constant is repeated along the batch, too."""
        is_whole = isinstance(operand, Symbol) or BATCH not in shape
        if is_whole and tuple(operand.shape) == tuple(shape):
            return self.named(operand)
        sizes = [self.graph.batch if size == BATCH else self.whole(size) for size in shape]
        return self.node("Expand", operand, self.node("Concat", *sizes, axis=0))

    def whole(self, *numbers: int) -> str:
        """Whole numbers as a constant, such as axes."""
        return self.graph.constant(torch.tensor(numbers))

    def reshaped(self, operand: Any, shape: Sequence[int]) -> str:  # noqa: ANN401
        """The operand with a shape, in which the size that the batch decides is left open."""
        open_shape = [-1 if size and size % BATCH == 0 else size for size in shape]
        return cast("str", self.node("Reshape", operand, self.whole(*open_shape)))


def translates(*names: str) -> Callable[[Operator], Operator]:
    """Register an operator for functions of torch with these names."""

    def register(operator: Operator) -> Operator:
        OPERATORS.update(dict.fromkeys(names, operator))
        return operator

    return register


def composes(*names: str) -> Callable[[Operator], Operator]:
    """Register a function, made of simpler ones, for functions of torch with these names."""

    def register(function: Operator) -> Operator:
        COMPOSED.update(dict.fromkeys(names, function))
        return function

    return register


def inputs(graph: Graph, **like: Tensor) -> dict[str, Symbol]:
    """Symbols of a graph's inputs, one for each image or row; `like` gives the shape and type of one."""
    return {
        name: Symbol.of(graph, graph.input(name, one.dtype, ("batch", *one.shape)), one.expand(BATCH, *one.shape))
        for name, one in like.items()
    }


def constant(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor as a symbol of the graph of `like`, so that what follows from it is recorded, and not computed here."""
    return Symbol.of(like.graph, like.graph.constant(tensor), tensor) if isinstance(like, Symbol) else tensor


def _recorded(name: str, result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if name not in OPERATORS:
        raise InputError(f"glowflow can't translate torch's {name} to ONNX.")
    graph = _graph([*args, *kwargs.values()])
    names = OPERATORS[name](Call(graph, result), *args, **kwargs)
    if not isinstance(result, Tensor):
        return tuple(Symbol.of(graph, each, like) for each, like in zip(names, result, strict=True))
    return names if isinstance(names, Tensor) else Symbol.of(graph, names, result)


def _graph(values: Sequence[Any]) -> Graph:
    """The graph of the first symbol among values, and among those in lists."""
    for value in values:
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, Symbol):
                return each.graph
    raise TypeError("There is no symbol.")


def _name(function: Callable[..., Any]) -> str:
    """The name of a function, of a method, or of a property such as `mT`, without underscores."""
    name = function.__name__
    return (function.__self__.__name__ if name == "__get__" else name).strip("_")  # type: ignore[attr-defined]


def _hollow(value: Any) -> Any:  # noqa: ANN401
    """A tensor without its values, and the device of such tensors for a device; anything else as it is."""
    if isinstance(value, Symbol):
        return value.hollow
    if isinstance(value, torch.device):
        return torch.device("meta")
    return value.to("meta") if isinstance(value, Tensor) else value


def _smallest(tensor: Tensor) -> Tensor:
    """The tensor without its copies for each image, which broadcasting makes again."""
    for dim, size in enumerate(tensor.shape):
        tensor = tensor.narrow(dim, 0, 1) if size == BATCH else tensor
    return tensor
