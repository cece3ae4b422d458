"""An ONNX graph that is built node by node, and the file that holds the weights of several graphs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from glowflow.packages import imported

OPSET, IR = 18, 8
"""Versions of the format from the end of 2022: the oldest that have all operators that are used here."""
FEWEST_SHARED = 256
"""Numbers; a smaller constant is stored in the graph itself."""
ALIGNMENT = 64
"""Bytes; each tensor in the file of the weights starts at a multiple of this."""

Shape: TypeAlias = Sequence[int | str]
"""Sizes; a name stands for a size that is only known when the graph is run."""
Types: TypeAlias = dict[str, torch.dtype]
"""The types of some values, by their names."""


def onnx(module: str = "onnx") -> Any:  # noqa: ANN401 (a module)
    """A module of the package `onnx`."""
    return imported(module, "Exporting to ONNX", "onnx")


class Weights:
    """The content of the file that holds the large constants of several graphs, each once.

    A tensor whose numbers all fit into float16 is stored as float16, which loses nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._content = bytearray()
        self._places: dict[bytes, dict[str, int | str]] = {}

    def place(self, content: bytes) -> Mapping[str, int | str]:
        """Where the file has these bytes, as ONNX describes it."""
        key = blake2b(content).digest()
        if key not in self._places:
            self._content += bytes(-len(self._content) % ALIGNMENT)
            self._places[key] = {"location": self.name, "offset": len(self._content), "length": len(content)}
            self._content += content
        return self._places[key]

    def write(self, folder: Path) -> None:
        """Write the file."""
        (folder / self.name).write_bytes(self._content)


class Graph:
    """Nodes and constants. Values are known by their names."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._first: list[Any] = []
        self._batch = ""
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[bytes, str] = {}
        self._initializers: list[Any] = []
        self._count = 0

    def input(self, name: str, dtype: torch.dtype, shape: Shape) -> str:
        """Add an input."""
        self._inputs.append(_described(name, dtype, shape))
        return name

    def output(self, name: str, value: str, dtype: torch.dtype, shape: Shape) -> None:
        """Let a value be an output with this name."""
        self._nodes.append(onnx("onnx.helper").make_node("Identity", [value], [name]))
        self._outputs.append(_described(name, dtype, shape))

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:  # noqa: ANN401
        """Add a node, and return the names of its outputs."""
        names = [self.fresh() for _ in range(outputs)]
        self._nodes.append(onnx("onnx.helper").make_node(operator, list(inputs), names, **attributes))
        return names

    @property
    def batch(self) -> str:
        """The number of images, as a list of one number."""
        if not self._batch:
            self._batch = self.fresh()
            images = self._inputs[0].name
            self._first.append(onnx("onnx.helper").make_node("Shape", [images], [self._batch], start=0, end=1))
        return self._batch

    def constant(self, tensor: Tensor) -> str:
        """The name of a constant. Equal constants have one name."""
        tensor = tensor.detach().cpu().contiguous()
        key = blake2b(f"{tensor.dtype}{tuple(tensor.shape)}".encode() + tensor.numpy().tobytes()).digest()
        if key not in self._constants:
            self._constants[key] = self._stored(tensor)
        return self._constants[key]

    def loop(self, most: int, state: Sequence[str], body: Any) -> list[str]:  # noqa: ANN401 (a graph)
        """Repeat a body on a state, at most so often; see `body`."""
        begins = self.constant(torch.ones((), dtype=torch.bool))
        return self.node("Loop", self.constant(torch.tensor(most)), begins, *state, outputs=len(state), body=body)

    def body(self, nodes: Sequence[Any], before: Types, after: Types) -> Any:  # noqa: ANN401 (a graph)
        """The body of a loop, made of the nodes of a `part`.

        Args:
            nodes: The nodes.
            before: Names and types of the state before the nodes.
            after: Names and types of what says whether to go on, and of the state after the nodes.
        """
        helper = onnx("onnx.helper")
        counted = [_described(self.fresh(), dtype, ()) for dtype in (torch.int64, torch.bool)]
        inputs, outputs = ([_described(*each, None) for each in types.items()] for types in (before, after))
        return helper.make_graph(nodes, "move", [*counted, *inputs], outputs)

    @contextmanager
    def part(self) -> Iterator[list[Any]]:
        """Give a list that takes the nodes added meanwhile, which then aren't in the graph itself."""
        outside, self._nodes = self._nodes, []
        try:
            yield self._nodes
        finally:
            self._nodes = outside

    def fresh(self) -> str:
        """A name that no value has yet."""
        self._count += 1
        return f"v{self._count}"

    def model(self, title: str, about: Mapping[str, str]) -> Any:  # noqa: ANN401 (onnx.ModelProto)
        """The graph as a model."""
        helper = onnx("onnx.helper")
        graph = helper.make_graph([*self._first, *self._nodes], title, self._inputs, self._outputs, self._initializers)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, producer_name="glowflow", opset_imports=[opset], ir_version=IR)
        helper.set_model_props(model, dict(about))
        return model

    def _stored(self, tensor: Tensor) -> str:
        name, kept = self.fresh(), _narrowed(tensor)
        self._initializers.append(self._proto(name, kept))
        if kept is tensor:
            return name
        wide = self.fresh()
        self._first.append(onnx("onnx.helper").make_node("Cast", [name], [wide], to=kind(tensor.dtype)))
        return wide

    def _proto(self, name: str, tensor: Tensor) -> Any:  # noqa: ANN401 (onnx.TensorProto)
        content = tensor.numpy()
        if tensor.numel() < FEWEST_SHARED:
            return onnx("onnx.numpy_helper").from_array(content, name)
        proto = onnx().TensorProto(name=name, data_type=kind(tensor.dtype), dims=tensor.shape)
        proto.data_location = onnx().TensorProto.EXTERNAL
        little = content.astype(content.dtype.newbyteorder("<"))
        for key, value in self._weights.place(little.tobytes()).items():
            proto.external_data.add(key=key, value=str(value))
        return proto


def _narrowed(tensor: Tensor) -> Tensor:
    """The tensor in float16 if it is large and this changes none of its numbers."""
    if tensor.dtype != torch.float32 or tensor.numel() < FEWEST_SHARED:
        return tensor
    half = tensor.half()
    return half if torch.equal(half.float(), tensor) else tensor


def _described(name: str, dtype: torch.dtype, shape: Shape | None) -> Any:  # noqa: ANN401 (onnx.ValueInfoProto)
    return onnx("onnx.helper").make_tensor_value_info(name, kind(dtype), shape)


def kind(dtype: torch.dtype) -> int:
    """ONNX's number of a type."""
    return onnx("onnx.helper").np_dtype_to_tensor_dtype(np.dtype(str(dtype).removeprefix("torch.")))
