"""Every way to run a level gives what its plain layers give, forwards and backwards."""

import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from torch._dynamo.utils import counters
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from glowflow import Glow, GlowConfig, execution
from glowflow.bijections import ActNorm, AffineCoupling, Chain, Conv1x1, Step
from glowflow.bijections.step import mixing
from glowflow.errors import InputError
from glowflow.execution import Execution, forward
from glowflow.execution.compilation import Compiled
from glowflow.execution.memory import MemoryMode
from glowflow.images import dequantize
from glowflow.layouts import levels
from glowflow.parts import MEMORIES, Part
from tests.helpers import assert_needed, randomize

REALNVP, ONE_BLOCK = {"kind": "realnvp", "logit": True}, {"kind": "residual", "blocks": 1}
CONFIGS = {
    "conv1x1": GlowConfig((3, 8, 8), 2, 3, 8),
    "conv1x1-lu": GlowConfig((3, 8, 8), 2, 3, 8, "affine-exp", "conv1x1-lu"),
    "shuffle": GlowConfig((3, 8, 8), 2, 3, 8, "additive", "shuffle"),
    "reverse": GlowConfig((3, 8, 8), 2, 3, 8, "affine-tanh", "reverse"),
    "deep": GlowConfig((1, 4, 4), 1, 19, 4),
    "realnvp": GlowConfig((3, 8, 8), 2, 2, 4, "affine-tanh", "reverse", layout=REALNVP, conditioner=ONE_BLOCK),
    "conv, last 1x1": GlowConfig((3, 8, 8), 2, 3, 8, conditioner={"kind": "conv", "last": 1}),
    "attention": GlowConfig((3, 8, 8), 2, 3, 8, conditioner="attention"),
    "transformer": GlowConfig((3, 8, 8), 2, 3, 8, conditioner={"kind": "transformer", "patch": 2}),
    "mixture": GlowConfig((3, 8, 8), 2, 2, 4, "mixture", "reverse", layout=REALNVP, conditioner=ONE_BLOCK),
}


def gradients(outputs: tuple[Tensor, Tensor], inputs: list[Tensor]) -> list[Tensor]:
    y, log_det = outputs
    weights = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)
    total = (y * weights).square().sum() + (log_det * torch.arange(1.0, len(log_det) + 1)).sum()
    return list(torch.autograd.grad(total, inputs))


@pytest.fixture(params=CONFIGS, name="level")
def _level(request: pytest.FixtureRequest) -> Chain:
    torch.manual_seed(0)
    return randomize(levels(CONFIGS[request.param])[0].double(), 0.1)


@pytest.mark.parametrize("memory", MEMORIES.names)
def test_outputs_and_gradients_are_those_of_the_plain_layers(level: Chain, memory: str) -> None:
    channels = 1 if len(list(level)) > 15 else 3
    x = (torch.rand(2, channels, 8, 8, dtype=torch.float64) - 0.5).requires_grad_()
    inputs = [x, *level.parameters()]
    plain, found = level(x), forward(level, x, Execution(memory))
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-10)
    torch.testing.assert_close(gradients(found, inputs), gradients(plain, inputs), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("memory", MEMORIES.names)
@pytest.mark.parametrize("length", [(), (6,)], ids=["vectors", "sequences"])
def test_steps_without_images_have_the_same_gradients_in_every_memory_mode(memory: str, length: tuple[int]) -> None:
    torch.manual_seed(0)
    network = partial(nn.Conv1d, 2, 4, 1) if length else partial(nn.Linear, 2, 4)
    steps = [Step(ActNorm(4), Conv1x1(4), AffineCoupling(network())) for _ in range(3)]
    flow, x = randomize(Chain(*steps)).double(), torch.randn(5, 4, *length, dtype=torch.float64)
    found = []
    for run in (flow.forward, lambda x: forward(steps, x, Execution(memory))):
        flow.zero_grad()
        y, log_det = run(x)
        (log_det.sum() + y.square().sum()).backward()
        found.append([w.grad.clone() for w in flow.parameters() if w.grad is not None])
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.parametrize(("anchor_interval", "num_anchors"), [(1, 18), (8, 2), (9, 2), (10, 1), (19, 0)])
def test_a_reversible_level_keeps_its_output_and_an_anchor_after_every_so_many_steps(
    anchor_interval: int, num_anchors: int
) -> None:
    level, x = levels(CONFIGS["deep"])[0], torch.rand(2, 1, 8, 8)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda _: x):
        y, _ = forward(level, x, Execution({"kind": "reversible", "anchor_interval": anchor_interval}))
    assert sum(tensor.shape == y.shape for tensor in kept) == 1 + num_anchors


def test_second_derivatives_of_a_reversible_level_are_refused() -> None:
    level, x = levels(CONFIGS["shuffle"])[0], torch.rand(2, 3, 8, 8, requires_grad=True)
    y, log_det = forward(level, x, Execution("reversible"))
    (gradient,) = torch.autograd.grad(y.square().sum() + log_det.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.filterwarnings("default")  # PyTorch warns of its own doings
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_compiled_steps_are_the_steps(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    level = randomize(levels(CONFIGS["deep"])[0], 0.1)
    x = (torch.rand(2, 1, 8, 8) - 0.5).requires_grad_()
    inputs = [x, *level.parameters()]
    plain, before = forward(level, x, Execution()), counters["stats"]["unique_graphs"]
    compiled = forward(level, x, Execution(compiled=True))
    few = before + 2  # one for the first step, whose input has another memory layout, and one for all others
    assert before < counters["stats"]["unique_graphs"] <= few
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradients(compiled, inputs), gradients(plain, inputs), rtol=1e-3, atol=1e-2)
    frozen, y = level.freeze(), plain[0].detach()
    assert isinstance(frozen, Chain)
    torch.testing.assert_close(execution.inverse(frozen, y, Execution(compiled=True)), x.detach(), rtol=0, atol=1e-4)
    assert "runs uncompiled" not in capfd.readouterr().err


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_a_frozen_model_is_compiled_once() -> None:
    model = Glow(GlowConfig((1, 8, 8), levels=1, steps=2, width=4)).execute(Execution(compiled=True)).freeze()
    model.sample(2)
    compiled = counters["stats"]["unique_graphs"]
    model.sample(2)
    assert counters["stats"]["unique_graphs"] == compiled > 0


def test_without_a_compiler_functions_run_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def compile_(_function: object, **_: object) -> Callable[..., Tensor]:
        def fail(*_: object) -> Tensor:
            raise TorchDynamoException("no compiler\n\nSet a variable for the stack trace.\n")

        return fail

    monkeypatch.setattr(torch, "compile", compile_)
    add = Compiled(torch.add)
    assert add(torch.ones(1), torch.ones(1)).item() == add(torch.ones(1), torch.ones(1)).item() == 2
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith("Compiling")
    assert second.endswith("runs uncompiled, which changes only the speed: no compiler")


def test_a_mixing_is_the_steps_first_layers(level: Chain) -> None:
    for step in (bijection for bijection in level if isinstance(bijection, Step)):
        ((matrix, bias, log_abs_det),) = zip(*mixing([step]), strict=True)
        x = torch.randn(2, len(bias), 3, 5, dtype=torch.float64)
        y, log_det = Chain(*list(step)[:-1])(x)
        torch.testing.assert_close(torch.einsum("oi,bihw->bohw", matrix, x) + bias[:, None, None], y)
        torch.testing.assert_close((3 * 5 * log_abs_det).expand(2), log_det)


def test_a_memory_mode_of_one_s_own_has_a_run() -> None:
    assert_needed(MemoryMode, "run")


class Kernels(TorchDispatchMode):
    """Records the shapes of the kernels of convolutions, and of the matrices that mix channels, by type."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.noted: dict[torch.dtype, set[tuple[int, ...]]] = {}

    def __torch_dispatch__(
        self,
        function: Callable[..., object],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        positions: dict[object, int] = {torch.ops.aten.convolution.default: 1, torch.ops.aten.addmm.default: 2}
        if position := positions.get(function):
            self.noted.setdefault(args[position].dtype, set()).add(tuple(args[position].shape))
        return function(*args, **kwargs or {})


def test_low_precision_is_that_of_the_networks_alone() -> None:
    width = 5
    model = Glow(GlowConfig((3, 8, 8), 2, 2, width)).execute(Execution(precision=torch.bfloat16))
    with Kernels() as kernels:
        assert model.log_prob(torch.rand(2, 3, 8, 8) - 0.5).dtype == torch.float32
    networks = {shape for shapes in kernels.noted.values() for shape in shapes if width in shape[:2]}
    assert kernels.noted[torch.bfloat16] == networks
    assert {(12, 12), (12, 6, 3, 3)} < kernels.noted[torch.float32]  # a mixing, and the split's prior


def test_low_precision_changes_little_and_encoding_nothing() -> None:
    torch.manual_seed(0)
    model = randomize(Glow(GlowConfig((3, 8, 8), 2, 4, 16)), 0.05)
    images = torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8)
    x = dequantize(images, 8)
    exact, z = model.log_prob(x), model.encode(images)
    model.execute(Execution(precision=torch.bfloat16))
    near = model.log_prob(x)
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, rtol=0, atol=0.05 * 192)
    torch.testing.assert_close(model.freeze().log_prob(x), near, rtol=0, atol=0.02 * 192)
    assert torch.equal(model.encode(images), z)
    assert torch.equal(model.freeze().decode(z), images)


@pytest.mark.parametrize("memory", MEMORIES.names)
@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_gradients_of_whole_models_are_near_the_exact_ones(memory: str, precision: torch.dtype | None) -> None:
    torch.manual_seed(0)
    model, x = randomize(Glow(GlowConfig((3, 16, 16), 2, 10, 16)), 0.02), torch.rand(4, 3, 16, 16) - 0.5
    exact = whole_gradient(deepcopy(model).double(), x.double(), Execution())
    found = whole_gradient(model, x, Execution(memory, precision))
    assert (found - exact).norm() / exact.norm() < (1e-4 if precision is None else 0.05)


def whole_gradient(model: Glow, x: Tensor, execution: Execution) -> Tensor:
    model.execute(execution).zero_grad(set_to_none=True)
    model.log_prob(x).mean().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("memory", MEMORIES.names)
def test_parameters_that_are_not_trained_have_no_gradient(memory: str) -> None:
    torch.manual_seed(0)
    model, x = randomize(Glow(GlowConfig((3, 8, 8), 1, 2, 8)), 0.1).double(), torch.rand(2, 3, 8, 8).double() - 0.5
    everything = whole_gradient(model, x, Execution())
    fixed = [p for name, p in model.named_parameters() if "conv1" in name]
    for parameter in fixed:
        parameter.requires_grad = False
    found = whole_gradient(model, x, Execution(memory))
    assert all(parameter.grad is None for parameter in fixed)
    assert len(found) == len(everything) - sum(parameter.numel() for parameter in fixed)


@pytest.mark.parametrize("memory", MEMORIES.names)
def test_images_have_gradients_where_no_parameter_is_trained(level: Chain, memory: str) -> None:
    level.requires_grad_(requires_grad=False)
    x = (torch.rand(2, 1 if len(list(level)) > 15 else 3, 8, 8, dtype=torch.float64) - 0.5).requires_grad_()
    plain, found = level(x), forward(level, x, Execution(memory))
    torch.testing.assert_close(gradients(found, [x]), gradients(plain, [x]), rtol=1e-8, atol=1e-9)


def test_fast_precision_is_found_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock({torch.float32: 1.0, torch.bfloat16: 0.7})
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    with clock:
        assert execution.fast_precision("cpu") == torch.bfloat16
        clock.seconds[torch.bfloat16] = 0.9  # not worth while
        assert execution.fast_precision("cpu") is None
    monkeypatch.undo()
    assert execution.fast_precision("cpu") in {None, torch.bfloat16}


@pytest.mark.parametrize("precision", ["bfloat16", torch.int8])
def test_a_precision_that_is_no_type_of_numbers_is_refused_at_once(precision: Any) -> None:  # noqa: ANN401 (wrong)
    with pytest.raises(InputError, match="it takes None or a type"):
        Execution(precision=precision)


def test_an_execution_has_the_shortest_form_of_its_memory_mode_and_refuses_another_at_once() -> None:
    assert Execution({"kind": "reversible", "anchor_interval": 8}) == Execution("reversible")
    modes: list[Part] = ["store", "reversible", {"kind": "reversible", "anchor_interval": 4}]
    assert len({Execution(memory) for memory in modes * 2}) == 3
    with pytest.raises(InputError, match="memory is 'chekpoint': perhaps checkpoint is meant"):
        Execution("chekpoint")


class Clock(TorchFunctionMode):
    """Goes on by so many seconds with each multiplication of matrices, and by many more with the first of a type."""

    def __init__(self, seconds: dict[torch.dtype, float]) -> None:
        super().__init__()
        self.seconds, self.now = seconds, 0.0
        self.met: set[torch.dtype] = set()

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        if "matmul" in function.__name__:
            dtype = args[0].dtype
            self.now += self.seconds[dtype] if dtype in self.met else 60
            self.met.add(dtype)
        return function(*args, **kwargs or {})
