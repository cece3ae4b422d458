"""Every function of torch that the export translates, compared with torch itself."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from glowflow.bijections.numerical import repeated
from glowflow.export import operators  # noqa: F401  which register themselves
from glowflow.export.functions import Function
from glowflow.export.graph import Weights
from glowflow.export.onnx_files import recorded
from glowflow.export.symbols import COMPOSED, OPERATORS, Operator

runtime = pytest.importorskip("onnxruntime", reason="the extra onnx isn't installed")

INDEX, KERNEL = torch.tensor([2, 0, 3]), torch.linspace(-1, 1, 2 * 4 * 3 * 3).view(2, 4, 3, 3)
WEIGHT, BIAS = torch.linspace(-2, 2, 5 * 6).view(5, 6), torch.linspace(-1, 1, 5)

NUMBERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "abs": lambda x, _: x.abs(),
    "add": lambda x, y: (x + y) + (1 + x),
    "addcmul": lambda x, y: torch.addcmul(x, x, y, value=2) + torch.addcmul(x, x, y),
    "and": lambda x, y: ((x > 0) & (y > 0)).float(),
    "ceil": lambda x, _: (3 * x).ceil(),
    "clamp": lambda x, y: x.clamp(-0.5, 0.5) + y.clamp(min=0) + torch.clip(x, max=0.25),
    "cos": lambda x, _: x.cos(),
    "div": lambda x, y: x.div(y) + x / 3 + 1 / y,
    "erf": lambda x, _: x.erf(),
    "erfinv": lambda x, y: (x / 2).tanh().erfinv() + (0.9999 * y.sign()).erfinv(),
    "exp": lambda x, _: x.exp(),
    "floor": lambda x, _: (3 * x).floor(),
    "eq": lambda x, y: ((x == y) | (x.floor() == 0)).float(),
    "gelu": lambda x, _: F.gelu(x),
    "le": lambda x, y: (x <= y).float() + (x >= 0.5).float() + (x < y).int() + (x > y).long(),
    "log": lambda x, _: x.abs().log(),
    "log1p": lambda x, _: x.exp().log1p(),
    "logical_and": lambda x, y: torch.logical_and(x > 0, y > 0).float(),
    "logical_not": lambda x, y: (~(x > 0)).float() + torch.logical_not(y > 0),
    "logical_or": lambda x, y: torch.logical_or(x > 0, y > 0).float(),
    "logsigmoid": lambda x, _: F.logsigmoid(4 * x),
    "maximum": lambda x, y: torch.maximum(x, y + 0),
    "minimum": lambda x, y: torch.minimum(x, y + 0),
    "mul": lambda x, y: x * y * 2 * torch.ones(1, 4, 1, 1),
    "neg": lambda x, _: -x,
    "or": lambda x, y: ((x > 0) | (y > 0)).float(),
    "pow": lambda x, y: x**3 + 2**y,
    "reciprocal": lambda _, y: y.reciprocal(),
    "relu": lambda x, y: x.relu() + F.relu(y) + (x + 0).relu_(),
    "round": lambda x, _: (3 * x).round(),
    "rsqrt": lambda x, _: x.abs().rsqrt(),
    "rshift": lambda x, _: ((100 * x.abs()).to(torch.uint8) >> 3).float(),
    "sigmoid": lambda x, y: x.sigmoid() + torch.sigmoid(y),
    "sign": lambda x, _: x.sign(),
    "silu": lambda x, _: F.silu(x),
    "sin": lambda x, _: x.sin(),
    "softplus": lambda x, _: F.softplus(x),
    "sqrt": lambda x, _: x.abs().sqrt(),
    "square": lambda x, _: x.square(),
    "sub": lambda x, y: x - y - (1 - x),
    "tan": lambda x, _: x.tan(),
    "tanh": lambda x, _: x.tanh(),
    "to": lambda x, y: x.double().to(y) + x.float().type_as(y) + x.to(torch.int32) + x.bool(),
    "where": lambda x, y: torch.where(x > 0, x, y) + y.where(x > 0, 2.0),
}
"""Functions of each number; x and y are (B, 4, 6, 6)."""
PLACES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cat": lambda x, y: torch.cat([x, y, torch.zeros_like(x)], dim=1) + torch.concat([y, y, x], 1),
    "chunk": lambda x, y: x.chunk(2, dim=1)[1] + y.split([2, 2], 1)[0] + x.tensor_split(2, 1)[0],
    "expand": lambda x, y: (
        x[:, :1].expand(-1, 3, -1, -1) + y[:, :1].expand_as(y[:, 1:]) + x[:, :1].broadcast_to((len(x), 3, 6, 6))
    ),
    "flip": lambda x, y: x.flip(1) + y.flip((2, 3)),
    "getitem": lambda x, y: x[:, 1::2, ..., None, 2:4] + y[:, INDEX[:2], -1, 0, None, None, None],
    "index_select": lambda x, _: x.index_select(1, INDEX),
    "narrow": lambda x, _: x.narrow(2, 1, 3),
    "new_zeros": lambda x, y: x.new_zeros(len(x), 1, 1, 1) + x.new_ones(4, 1, 1) + torch.ones_like(y),
    "one_hot": lambda x, _: F.one_hot((x * 2).abs().long(), 9).to(x),
    "pad": lambda x, y: F.pad(x, (1, 2, 0, 1), value=1.0) + F.pad(y, (1, 2, 0, 1), mode="reflect"),
    "permute": lambda x, y: x.permute(0, 2, 3, 1) + y.movedim(1, -1) + x.mT.transpose(1, 3),
    "pixel_shuffle": lambda x, _: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x, _: F.pixel_unshuffle(x, 2),
    "reshape": lambda x, y: (
        x.reshape(len(x), -1) + y.flatten(1) + x.unflatten(1, (2, 2)).flatten(1) + y.view(-1, 144).view_as(x.flatten(1))
    ),
    "select": lambda x, y: x.select(1, 2) + y.select(-1, 0)[:, :1],
    "squeeze": lambda x, y: x[:, :1].squeeze(1) + y[:, 0].unsqueeze(1).squeeze(),
    "view": lambda x, y: y.view(-1, 144) + y.view_as(x.flatten(1)),
    "same": lambda x, y: x.clone() + y.contiguous() + x.detach(),
    "stack": lambda x, y: torch.stack([x, y], dim=2),
    "unbind": lambda x, _: x.unbind(1)[3] - next(iter(x.movedim(1, 0))),
}
"""Functions that move numbers."""
SUMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "all": lambda x, y: ((x > -9).all().float() + (x > 0).all()) * y,
    "any": lambda x, y: ((x > 9).any().float() + (x > 0).any()) * y,
    "amax": lambda x, y: x.amax(1) + y.amin((1, 2), keepdim=True)[:, :, 0],
    "conv2d": lambda x, y: F.conv2d(x, KERNEL, torch.ones(2), padding=1) + F.conv2d(y, KERNEL, None, 1, "same"),
    "glu": lambda x, _: F.glu(x, 1),
    "layer_norm": lambda x, y: F.layer_norm(x, (6,), WEIGHT[0], BIAS[0].expand(6), 1e-3) + F.layer_norm(y, (6,)),
    "linear": lambda x, y: F.linear(x, WEIGHT, BIAS) + F.linear(y, WEIGHT),
    "log_softmax": lambda x, y: x.log_softmax(1) + F.log_softmax(y, -1),
    "logsumexp": lambda x, _: x.logsumexp(1),
    "matmul": lambda x, y: x @ y.mT,
    "mean": lambda x, y: x.mean((2, 3)) + y.mean(-1).mean(-1),
    "prod": lambda x, _: x.prod(1),
    "scaled_dot_product_attention": lambda x, y: F.scaled_dot_product_attention(x, y, x + y),
    "softmax": lambda x, y: x.softmax(-1) + F.softmax(y, 1),
    "strides": lambda x, _: F.conv2d(x, KERNEL[:, :2], stride=2, padding=(1, 0), groups=2),
    "sum": lambda x, y: x.sum((1, 2, 3)) + y.sum(1).flatten(1).sum(1),
    "repeated": lambda x, y: repeated(lambda x: ((x > 9).all(), (x + y.abs(),)), (x,), 5)[0],
}
"""Functions that add numbers of several places."""
EXAMPLES = NUMBERS | PLACES | SUMS


def named(example: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The example with names for its arguments."""
    return lambda x, y: example(x, y)  # noqa: PLW0108


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("count", [1, 3])
@torch.no_grad()
def test_a_function(name: str, count: int) -> None:
    torch.manual_seed(0)
    one = torch.zeros(4, 6, 6)
    function = Function({"x": one, "y": one}, "z", named(EXAMPLES[name]))
    given = {"x": torch.randn(count, 4, 6, 6), "y": torch.randn(count, 4, 6, 6)}
    model = recorded(function, Weights("")).model(name, {})
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {key: value.numpy() for key, value in given.items()})
    torch.testing.assert_close(torch.from_numpy(found), function.compute(**given), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_no_function_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    used = set()

    def noting(name: str, operator: Operator) -> Operator:
        def noted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            used.add(name)
            return operator(*args, **kwargs)

        return noted

    for table in (OPERATORS, COMPOSED):
        for name, operator in table.items():
            monkeypatch.setitem(table, name, noting(name, operator))
    for example in EXAMPLES.values():
        one = torch.zeros(4, 6, 6)
        recorded(Function({"x": one, "y": one}, "z", named(example)), Weights(""))
    assert sorted((OPERATORS.keys() | COMPOSED.keys()) - used) == []
