"""The conditioners with attention: what they compute, what they refuse, and a training with them."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow import Glow, GlowConfig, InputError
from glowflow.bijections import Conditioner
from glowflow.bijections.conditioner import matrices_of
from glowflow.cli import main
from glowflow.conditioners import AttentionConditioner, TransformerConditioner
from glowflow.conditioners.places import attended
from glowflow.config import RunConfig, TrainConfig
from glowflow.execution import Execution
from glowflow.parts import MEMORIES, Attention, Part, Transformer
from glowflow.training import Batch, Options, TrainingState, train
from tests.helpers import assert_same, randomize, sentence

SIZE = (2, 6)
NETWORKS: dict[str, Callable[[], Conditioner]] = {
    "attention": lambda: AttentionConditioner(Attention(blocks=2, heads=2), 3, 5, 8, SIZE),
    "transformer": lambda: TransformerConditioner(Transformer(blocks=2, heads=4, patch=1), 3, 5, 8, SIZE),
    "patches": lambda: TransformerConditioner(Transformer(blocks=1, heads=2, patch=2, mlp_ratio=3), 3, 5, 8, SIZE),
}
PARTS: tuple[Part, ...] = (
    {"kind": "transformer", "blocks": 1, "heads": 2, "patch": 2},
    {"kind": "attention", "blocks": 1, "heads": 2},
)
MODEL = GlowConfig((1, 8, 8), levels=2, steps=2, width=8, conditioner=PARTS)


@pytest.fixture(params=NETWORKS, name="network")
def _network(request: pytest.FixtureRequest) -> Conditioner:
    torch.manual_seed(0)
    return NETWORKS[request.param]().double()


@pytest.fixture(name="x")
def _x() -> Tensor:
    return torch.randn(4, 3, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def linear(layer: Any, h: Tensor) -> Tensor:  # noqa: ANN401 (a module's layer)
    return h @ layer.weight.T + layer.bias


def normed(layer: Any, h: Tensor) -> Tensor:  # noqa: ANN401
    variance = h.var(-1, unbiased=False, keepdim=True)
    return (h - h.mean(-1, keepdim=True)) / (variance + 1e-5).sqrt() * layer.weight + layer.bias


def head_by_head(qkv: Tensor, heads: int) -> Tensor:
    """Softmax of the products of queries and keys, as weights of the values, for places (B, N, 3 C)."""
    of_heads = (part.chunk(heads, dim=-1) for part in qkv.chunk(3, dim=-1))
    weighted = [((q @ k.mT) / q.shape[-1] ** 0.5).softmax(-1) @ v for q, k, v in zip(*of_heads, strict=True)]
    return torch.cat(weighted, dim=-1)


def test_the_attention_network_follows_its_structure(x: Tensor) -> None:
    network: Any = randomize(NETWORKS["attention"]().double())
    h = network.first(x)
    for block in network.blocks:
        near = block.conv(h * h.sigmoid())
        value, gate = linear(block.gate1, (near * near.sigmoid()).flatten(2).mT).chunk(2, dim=-1)
        places = normed(block.norm1, h.flatten(2).mT + value * gate.sigmoid())
        far = head_by_head(linear(block.qkv, places + network.position), 2)
        value, gate = linear(block.gate2, far).chunk(2, dim=-1)
        h = normed(block.norm2, places + value * gate.sigmoid()).mT.unflatten(2, SIZE)
    torch.testing.assert_close(network(x), network.last(h))


def test_the_transformer_follows_its_structure(x: Tensor) -> None:
    """The patches are cut out one by one."""
    network: Any = randomize(NETWORKS["patches"]().double())
    corners = [(0, 0), (0, 2), (0, 4)]
    patches = torch.stack([x[:, :, i : i + 2, j : j + 2].flatten(1) for i, j in corners], dim=1)
    h = patches @ network.first.weight.flatten(1).T + network.first.bias + network.position
    for block in network.blocks:
        h = h + linear(block.merge, head_by_head(linear(block.qkv, normed(block.norm1, h)), 2))
        h = h + linear(block.shrink, F.gelu(linear(block.grow, normed(block.norm2, h))))
    out, expected = linear(network.last, normed(network.norm, h)), x.new_empty(4, 5, *SIZE)
    for place, (i, j) in enumerate(corners):
        expected[:, :, i : i + 2, j : j + 2] = out[:, place].view(4, 5, 2, 2)
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("few", [0, 256])
def test_attention_over_few_and_many_places_is_the_same(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glowflow.conditioners.places.FEW_PLACES", few)
    qkv = torch.randn(2, 12, 3 * 8, dtype=torch.float64)
    torch.testing.assert_close(attended(qkv, heads=4), head_by_head(qkv, heads=4))


def test_the_output_is_zero_at_first_and_can_be_learned(network: Conditioner, x: Tensor) -> None:
    out = network(x)
    assert out.shape == (4, 5, *SIZE)
    assert not out.any()
    (out - 1).square().sum().backward()
    assert all(w.grad is not None and w.grad.any() for name, w in network.named_parameters() if "last" in name)


def test_every_pixel_sees_every_other(network: Conditioner, x: Tensor) -> None:
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(randomize(network)(x)[0, 0, 0, 0], x)
    assert gradient[0].abs().amin() > 0
    assert not gradient[1:].any()  # another image


def test_places_are_told_apart_by_their_embedding_alone(x: Tensor) -> None:
    network: Any = randomize(NETWORKS["transformer"]().double())
    turned = x.flip(2, 3)
    assert not torch.allclose(network(turned), network(x).flip(2, 3))
    nn.init.zeros_(network.position)
    torch.testing.assert_close(network(turned), network(x).flip(2, 3))


def test_kernels_and_projections_are_matrices(network: Conditioner) -> None:
    found = {id(w) for w in matrices_of(network)}
    others = [name for name, w in network.named_parameters() if id(w) not in found]
    assert all("norm" in name or name == "position" or name.endswith("bias") for name in others)
    assert len(others) + len(found) == len(list(network.parameters()))
    assert all(w.ndim > 1 for w in network.parameters() if id(w) in found)


@pytest.mark.parametrize(
    ("conditioner", "message"),
    [
        ({"kind": "attention", "heads": 3}, "heads is 3; it takes a divisor of the width, 8"),
        ({"kind": "transformer", "heads": 16}, "heads is 16; it takes a divisor of the width, 8"),
        ({"kind": "transformer", "patch": 4}, "patch is 4; it takes a divisor of the height and the width .*, 2 and 6"),
        ({"kind": "attention", "blocks": 0}, "blocks is 0; it takes a whole number of at least 1"),
        ({"kind": "attention", "patch": 2}, "attention has no option 'patch'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_configuration(conditioner: Part, message: str) -> None:
    with pytest.raises(InputError, match=message):
        GlowConfig((3, 8, 24), levels=2, width=8, conditioner=("conv", conditioner))


def test_a_command_says_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = sentence(capsys, "train", "digits", "--model.conditioner", "{kind: attention, heads: 3}")
    assert said.endswith("heads is 3; it takes a divisor of the width, 64.")
    assert not list(tmp_path.iterdir())


def test_the_documents_example_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps, width and conditioner are lists there."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
    ((name, content),) = re.findall(r'^```yaml title="(.+?)"\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
    Path(name).write_text(content, encoding="utf-8")
    shorter = ["--train.images=16", "--train.validation-images=8", "--threads=1"]
    assert main(["train", name, "--out", "run", *shorter]) == 0
    assert Glow.from_pretrained("run").config.conditioner == ("conv", {"kind": "attention", "blocks": 1})


def test_a_trained_model_is_exact_saved_and_sampled_from(config: RunConfig, tmp_path: Path) -> None:
    state = train(replace(config, model=MODEL), tmp_path / "run")
    model = Glow.from_pretrained(tmp_path / "run")
    assert model.config.conditioner == PARTS
    assert any(w.any() for name, w in model.named_parameters() if "conditioner.last" in name)
    torch.testing.assert_close(model.state_dict(), state.evaluated.state_dict())
    images = torch.randint(256, (16, 1, 8, 8), dtype=torch.uint8)
    for form in (model, model.freeze(), model.execute(Execution(precision=torch.bfloat16)).freeze()):
        assert torch.equal(form.decode(form.encode(images)), images)
        assert form.sample(3).shape == (3, 1, 8, 8)


def test_a_resumed_training_ends_as_an_uninterrupted_one(config: RunConfig, tmp_path: Path) -> None:
    model = replace(MODEL, coupling={"kind": "mixture", "components": 2})
    config = RunConfig(model, replace(config.train, optimizer="muon", lr=1e-3))
    whole = train(config, tmp_path / "whole")
    train(replace(config, train=replace(config.train, images=160)), tmp_path / "parts")
    assert_same(train(config, tmp_path / "parts"), whole)


@pytest.mark.parametrize("memory", MEMORIES.names)
@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_gradients_are_near_the_exact_ones(memory: str, precision: torch.dtype | None) -> None:
    torch.manual_seed(0)
    model, x = randomize(Glow(replace(MODEL, steps=9)), 0.02), torch.rand(4, 1, 8, 8) - 0.5
    found = whole_gradient(model, x, Execution(memory, precision))
    exact = whole_gradient(model.double(), x.double(), Execution())
    assert (found - exact).norm() / exact.norm() < (1e-4 if precision is None else 0.05)


def whole_gradient(model: Glow, x: Tensor, execution: Execution) -> Tensor:
    model.execute(execution).zero_grad(set_to_none=True)
    model.log_prob(x).mean().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_realnvps_couplings_take_them_too() -> None:
    torch.manual_seed(0)
    layout = {"kind": "realnvp", "logit": True}
    model = randomize(Glow(replace(MODEL, layout=layout, coupling="affine-tanh")), 0.1)
    images = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(model.decode(model.encode(images)), images)


@pytest.mark.parametrize("memory", MEMORIES.names)
def test_a_step_reads_no_value_on_the_way(memory: str) -> None:
    """The meta device has no values, so a step that reads one would fail."""
    run = RunConfig(MODEL, TrainConfig(optimizer="muon", batch_size=2))
    state = TrainingState.new(run, "meta", options=Options(execution=Execution(memory)))
    state.lag = 10
    for _ in range(2):
        state.step(Batch(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8), None).to("meta"))
