"""Parts that a configuration can name, and a user's own among them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from glowflow import Glow, GlowConfig, InputError
from glowflow.bijections import Bijection, Coupling, Mask, Reverse
from glowflow.conditioners import Conditioner
from glowflow.config import RunConfig
from glowflow.execution import Execution
from glowflow.parts import CONDITIONERS, COUPLINGS, LAYOUTS, PERMUTATIONS, Kind
from glowflow.training import train
from tests.helpers import jacobian_log_det, randomize

KINDS = (COUPLINGS, CONDITIONERS, PERMUTATIONS, LAYOUTS)


@COUPLINGS.option("bent")
@dataclass(frozen=True)
class Bent:
    """A line with a bend."""

    strength: float = 0.5


@COUPLINGS.builds("bent")
class BentCoupling(Coupling):
    """y = x + a tanh(strength x) + shift, with a in (0, 1); its inverse is left to a search."""

    params_per_channel = 2

    def __init__(self, conditioner: nn.Module, mask: Mask, strength: float) -> None:
        super().__init__(conditioner, mask)
        self.strength = strength

    @classmethod
    def build(cls, options: Bent, conditioner: Callable[[int], nn.Module], mask: Mask) -> "BentCoupling":  # type: ignore[override]
        return cls(conditioner(cls.params_per_channel), mask, options.strength)

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, a = h[:, 0::2], h[:, 1::2].sigmoid()
        bend = (self.strength * x_b).tanh()
        return x_b + a * bend + shift, (1 + a * self.strength * (1 - bend**2)).log()


@CONDITIONERS.option("linear")
@dataclass(frozen=True)
class Linear:
    """One 1x1 convolution."""


@CONDITIONERS.builds("linear")
class LinearConditioner(Conditioner):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    @classmethod
    def build(cls, _: object, inputs: int, outputs: int, _width: int, _size: tuple[int, int]) -> "LinearConditioner":
        return cls(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv(x)
        return h

    def matrices(self) -> list[nn.Parameter]:
        return [self.get_parameter("conv.weight")]


@PERMUTATIONS.option("turned")
@dataclass(frozen=True)
class Turned:
    """The reversal of channels, under another name."""


@PERMUTATIONS.builds("turned")
def turned(_: Turned, _channels: int) -> Bijection:
    return Reverse()


OWN = GlowConfig(
    (2, 8, 8),
    levels=2,
    steps=2,
    width=8,
    coupling={"kind": "bent", "strength": 0.25},
    permutation="turned",
    conditioner=("linear", "conv"),
)


def test_own_parts_have_the_likelihood_of_the_jacobian_and_decode_exactly() -> None:
    torch.manual_seed(0)
    model = randomize(Glow(replace(OWN, image_shape=(1, 4, 4)))).double()
    x = torch.rand(2, 1, 4, 4, dtype=torch.float64) - 0.5
    expected = jacobian_log_det(lambda batch: model.flatten(model(batch)[0]), x)
    torch.testing.assert_close(model(x)[1], expected, rtol=0, atol=1e-8)
    images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    for form in (model, model.freeze()):
        assert torch.equal(form.decode(form.encode(images)), images)


@pytest.mark.parametrize("memory", ["store", "checkpoint", "reversible"])
def test_own_parts_train_in_every_memory_mode(memory: str) -> None:
    torch.manual_seed(0)
    model, x = randomize(Glow(OWN)).double(), torch.rand(3, 2, 8, 8, dtype=torch.float64) - 0.5
    gradients = []
    for chosen in ("store", memory):
        model.execute(Execution(memory=chosen)).zero_grad()
        model.log_prob(x).sum().backward()
        gradients.append([w.grad.clone() for w in model.parameters() if w.grad is not None])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-6, atol=1e-8)


def test_own_parts_are_trained_saved_and_loaded_again(config: RunConfig, tmp_path: Path) -> None:
    run = replace(config, model=replace(OWN, image_shape=(1, 8, 8)))
    state = train(run, tmp_path / "run")
    again = Glow.from_pretrained(tmp_path / "run")
    assert again.config == run.model
    torch.testing.assert_close(again.state_dict(), state.evaluated.state_dict())


def test_an_unregistered_part_of_a_stored_model_is_named(tmp_path: Path) -> None:
    Glow(OWN).save_pretrained(tmp_path)
    stored = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(stored.replace('"bent"', '"theirs"'))
    with pytest.raises(InputError, match=r"has the coupling 'theirs', which isn't registered: .*--plugins FILE"):
        Glow.from_pretrained(tmp_path)


def test_equal_parts_have_one_form_which_json_keeps() -> None:
    config = GlowConfig((3, 8, 8), coupling={"kind": "affine"}, conditioner={"kind": "residual", "blocks": 2})
    assert (config.coupling, config.conditioner) == ("affine", "residual")
    assert json.loads(json.dumps({"kind": "bent", "strength": 0.25})) == OWN.coupling


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_wrong_part_is_answered_by_the_possible_ones(kind: Kind) -> None:
    with pytest.raises(InputError, match=f"{kind.name} is 'nonsense'.*{kind.names[0]}"):
        kind.options("nonsense")
    with pytest.raises(InputError, match=f"{kind.name} {kind.names[0]} has no option 'nonsense'"):
        kind.options({"kind": kind.names[0], "nonsense": 1})
    with pytest.raises(InputError, match="kind is missing"):
        kind.options({"blocks": 1})


def test_an_option_of_a_wrong_type_is_named() -> None:
    with pytest.raises(InputError, match=r"residual has blocks = 'two'; it takes a whole number"):
        GlowConfig((3, 8, 8), conditioner={"kind": "residual", "blocks": "two"})
    with pytest.raises(InputError, match="residual blocks is 0"):
        GlowConfig((3, 8, 8), conditioner={"kind": "residual", "blocks": 0})


def test_a_name_is_taken_once() -> None:
    @dataclass(frozen=True)
    class Other:
        """Another part."""

    with pytest.raises(ValueError, match="already"):
        COUPLINGS.option("affine")(Other)
    with pytest.raises(ValueError, match="aren't a dataclass"):
        COUPLINGS.option("undecorated")(int)


def test_levels_can_differ_in_steps_width_and_conditioner() -> None:
    config = GlowConfig((3, 16, 16), levels=2, steps=(1, 3), width=(4, 8), conditioner=("conv", "residual"))
    model = Glow(config)
    lower, upper = ([m for m in level.modules() if isinstance(m, Coupling)] for level in model.levels)
    assert (len(lower), len(upper)) == (1 + 1, 3)  # and the split's prior
    assert [type(c.conditioner).__name__ for c in (lower[0], upper[0])] == ["ConvConditioner", "ResidualConditioner"]
    assert lower[0].get_parameter("conditioner.conv2.weight").shape[0] == 4
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    assert torch.equal(model.decode(model.encode(images)), images)


def test_a_list_needs_a_value_for_each_level() -> None:
    with pytest.raises(InputError, match="steps has 3 values for 2 levels"):
        GlowConfig((3, 8, 8), levels=2, steps=(1, 2, 3))
    with pytest.raises(InputError, match="width is 0"):
        GlowConfig((3, 8, 8), levels=2, width=(4, 0))
