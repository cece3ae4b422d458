"""Parts that a configuration can name, and a user's own among them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from glowflow import Glow, GlowConfig, InputError
from glowflow.bijections import Bijection, Chain, Conv1x1, Coupling, Mask, Reverse
from glowflow.conditioners import Conditioner
from glowflow.config import RunConfig
from glowflow.execution import Execution, forward
from glowflow.parts import (
    AUGMENTATIONS,
    CONDITIONERS,
    COUPLINGS,
    DEQUANTIZERS,
    LAYOUTS,
    MEMORIES,
    PERMUTATIONS,
    Kind,
    Part,
)
from glowflow.training import train
from tests.helpers import jacobian_log_det, randomize

KINDS = (COUPLINGS, CONDITIONERS, PERMUTATIONS, LAYOUTS, DEQUANTIZERS, MEMORIES, AUGMENTATIONS)


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

    factors: tuple[float, ...] = (1.0, 1.0)


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


class Stretched(Bijection):
    """y = scale x; its log_det isn't 0."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.log_scale.exp(), (prod(x.shape[1:]) * self.log_scale).expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y * (-self.log_scale).exp()


class Shifted(Reverse):
    """The reversal plus a constant, which no matrix gives."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flip(1) + 1, x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return (y - 1).flip(1)


class Rolled(Bijection):
    """Moves the pixels, too."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.roll((1, 1, 1), (1, 2, 3)), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y.roll((-1, -1, -1), (1, 2, 3))


class Shortened(Conv1x1):
    """Another matrix of the same weight."""

    def matrix(self) -> Tensor:
        return super().matrix() / 2

    def log_abs_det(self) -> Tensor:
        return torch.linalg.slogdet(self.matrix()).logabsdet


@PERMUTATIONS.option("general")
@dataclass(frozen=True)
class General:
    """A layer between two couplings that may be any bijection."""

    which: str = "stretched"


@PERMUTATIONS.builds("general")
def general(options: General, channels: int) -> Bijection:
    made: dict[str, Callable[[], Bijection]] = {"stretched": Stretched, "shifted": Shifted, "rolled": Rolled}
    return made[options.which]() if options.which in made else Shortened(channels)


PERMUTED = [{"kind": "general", "which": which} for which in ("stretched", "shifted", "rolled", "shortened")]


OWN = GlowConfig(
    (2, 8, 8),
    levels=2,
    steps=2,
    width=8,
    coupling={"kind": "bent", "strength": 0.25},
    permutation="turned",
    conditioner=("linear", "conv"),
)


@pytest.mark.parametrize("permutation", ["turned", *PERMUTED])
def test_own_parts_have_the_likelihood_of_the_jacobian_and_decode_exactly(permutation: Part) -> None:
    torch.manual_seed(0)
    model = randomize(Glow(replace(OWN, image_shape=(1, 4, 4), permutation=permutation))).double()
    x = torch.rand(2, 1, 4, 4, dtype=torch.float64) - 0.5
    expected = jacobian_log_det(lambda batch: model.flatten(model(batch)[0]), x)
    images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    for form in (model, model.freeze()):
        torch.testing.assert_close(form(x)[1], expected, rtol=0, atol=1e-8)
        assert torch.equal(form.decode(form.encode(images)), images)


@pytest.mark.parametrize("permutation", ["turned", *PERMUTED])
@pytest.mark.parametrize("memory", ["store", "checkpoint", "reversible"])
def test_own_parts_have_the_plain_layers_gradients_in_every_memory_mode(memory: str, permutation: Part) -> None:
    torch.manual_seed(0)
    model, x = randomize(Glow(replace(OWN, permutation=permutation))).double(), torch.rand(3, 2, 8, 8).double() - 0.5
    level = model.levels[0]
    gradients = []
    for run in (level, lambda x: forward(cast("Chain", level), x, Execution(memory))):
        y, log_det = run(x)
        gradients.append(torch.autograd.grad(log_det.sum() + y.square().sum(), list(level.parameters())))
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


def test_a_list_in_an_option_is_a_tuple_as_it_is_elsewhere(tmp_path: Path) -> None:
    assert CONDITIONERS.normal({"kind": "linear", "factors": [1.0, 1.0]}) == "linear"
    config = replace(OWN, conditioner={"kind": "linear", "factors": [1.0, 2.0]})
    assert CONDITIONERS.options(config.conditioner) == Linear((1.0, 2.0))
    Glow(config).save_pretrained(tmp_path)
    assert Glow.from_pretrained(tmp_path).config == config


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
    with pytest.raises(InputError, match="The last kernel of conv is 2 pixels wide; it takes 1 or 3"):
        GlowConfig((3, 8, 8), conditioner={"kind": "conv", "last": 2})


def test_a_name_is_taken_once() -> None:
    @dataclass(frozen=True)
    class Other:
        """Another part."""

    with pytest.raises(ValueError, match="already"):
        COUPLINGS.option("affine")(Other)
    with pytest.raises(ValueError, match="aren't a dataclass"):
        COUPLINGS.option("undecorated")(int)


def test_a_part_is_built_by_one_module_alone() -> None:
    with pytest.raises(InputError, match=r"glowflow\.bijections\.coupling builds the coupling 'affine' already"):
        COUPLINGS.builds("affine")(BentCoupling)
    with pytest.raises(InputError, match="There is no coupling 'bnet' to build"):
        COUPLINGS.builds("bnet")(BentCoupling)
    COUPLINGS.builds("bent")(BentCoupling)  # as when a notebook's cell runs again


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
