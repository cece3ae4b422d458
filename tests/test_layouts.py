"""The layout of RealNVP's layers: masks, order of channels, sizes."""

from dataclasses import replace
from math import log

import pytest
import torch
from torch import Tensor, nn

from glowflow import Glow, GlowConfig, InputError
from glowflow.bijections import (
    AdditiveCoupling,
    AffineCoupling,
    AffineExpCoupling,
    AffineTanhCoupling,
    Checkerboard,
    Conv1x1,
    Conv1x1LU,
    Coupling,
    Logit,
    MixtureCoupling,
    Reverse,
    Shuffle,
    Step,
)
from glowflow.conditioners import ResidualConditioner
from glowflow.layouts import levels

REALNVP, ONE_BLOCK = {"kind": "realnvp", "logit": True}, {"kind": "residual", "blocks": 1}
CONFIG = GlowConfig(
    (2, 8, 8), 2, 3, 4, "affine-tanh", "reverse", layout=REALNVP, conditioner=ONE_BLOCK, learn_top=False
)


COUPLED = {
    "additive": AdditiveCoupling,
    "affine": AffineCoupling,
    "affine-exp": AffineExpCoupling,
    "affine-tanh": AffineTanhCoupling,
    "mixture": MixtureCoupling,
}
PERMUTED = {"conv1x1": Conv1x1, "conv1x1-lu": Conv1x1LU, "reverse": Reverse, "shuffle": Shuffle}


@pytest.mark.parametrize("coupling", COUPLED)
@pytest.mark.parametrize("permutation", PERMUTED)
def test_a_step_has_the_layers_that_its_configuration_names(permutation: str, coupling: str) -> None:
    (level,) = levels(GlowConfig((1, 4, 4), 1, 2, 4, coupling, permutation))
    steps = [layer for layer in level if isinstance(layer, Step)]
    found = [(type(step.permutation), type(step.coupling)) for step in steps]
    assert found == [(PERMUTED[permutation], COUPLED[coupling])] * 2
    x = torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(level.inverse(level(x)[0]), x)


class Recorder(nn.Module):
    """A conditioner that records its input and returns ones."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return torch.ones_like(x)


def test_checkerboard_conditions_on_one_colour_and_changes_the_other() -> None:
    even = (torch.arange(4)[:, None] + torch.arange(6)) % 2 == 0
    x = torch.randn(2, 3, 4, 6)
    for odd in (False, True):
        conditioner = Recorder()
        y, _ = AdditiveCoupling(conditioner, Checkerboard(odd=odd))(x)
        kept = ~even if odd else even
        assert torch.equal(conditioner.seen, x * kept)
        torch.testing.assert_close(y, x + (~kept).float())


def test_checkerboard_parameters_belong_to_their_pixels() -> None:
    mask, h = Checkerboard(), torch.arange(24.0).view(1, 6, 2, 2)
    x = torch.zeros(1, 3, 2, 2)
    x_a, _ = mask.split(x)
    shift = mask.select(h)[:, 0::2]  # as affine couplings read it
    placed = mask.join(x_a, shift)
    assert torch.equal(placed[:, :, 0, 1], h[:, 0::2, 0, 1])
    assert torch.equal(placed[:, :, 1, 0], h[:, 0::2, 1, 0])


def test_realnvp_has_the_papers_layers() -> None:
    lower, top = levels(CONFIG)
    assert isinstance(next(iter(lower)), Logit)
    boards = [[m.mask for m in level.modules() if isinstance(m, Coupling)] for level in (lower, top)]
    changing = [[mask.changing for mask in masks if isinstance(mask, Checkerboard)] for masks in boards]
    white, black = (1, 2), (0, 3)
    assert changing == [[white, black, white], [white, black, white, black]]
    assert len(boards[0]) == 6
    assert len(boards[1]) == 4


def test_realnvp_keeps_one_diagonal_and_splits_off_the_other() -> None:
    """At the start every coupling is the identity, so that each pixel can be followed."""
    for steps in (2, 3):
        lower, _ = levels(replace(CONFIG, steps=steps))
        pixels = torch.arange(128.0).view(1, 2, 8, 8) / 256 - 0.25
        y, _ = lower(pixels)
        kept, emitted = (set(logits.flatten().round(decimals=4).tolist()) for logits in y.chunk(2, dim=1))
        even = ((torch.arange(8)[:, None] + torch.arange(8)) % 2 == 0).expand(1, 2, 8, 8)
        logits = Logit()(pixels)[0].round(decimals=4)
        assert kept == set(logits[even].tolist())
        assert emitted == set(logits[~even].tolist())


def test_realnvps_width_doubles_with_each_level_and_after_its_squeeze() -> None:
    lower, top = levels(replace(CONFIG, width=5))
    widths = [
        [m.first.out_channels for m in level.modules() if isinstance(m, ResidualConditioner)] for level in (lower, top)
    ]
    assert widths == [[5, 5, 5, 10, 10, 10], [10, 10, 10, 10]]


def test_glow_can_have_the_logit_too() -> None:
    config = GlowConfig((2, 8, 8), levels=2, steps=1, width=4)
    (plain, _), (lower, upper) = levels(config), levels(replace(config, layout={"kind": "glow", "logit": True}))
    assert [type(layer) for layer in lower] == [Logit, *(type(layer) for layer in plain)]
    assert not any(isinstance(layer, Logit) for layer in upper)


def test_the_logit_leaves_a_margin_of_a_twentieth() -> None:
    y, log_det = Logit()(torch.tensor([[[[-0.5, 0.0, 0.5]]]], dtype=torch.float64))
    expected = [log(0.05 / 0.95), 0.0, log(0.95 / 0.05)]
    torch.testing.assert_close(y.flatten().tolist(), expected)
    torch.testing.assert_close(log_det.item(), 3 * log(0.9) - 2 * log(0.05 * 0.95) - log(0.25))


@pytest.mark.parametrize("kind", ["glow", "realnvp"])
def test_the_logits_margin_is_an_option(kind: str) -> None:
    lower, _ = levels(replace(CONFIG, layout={"kind": kind, "logit": True, "margin": 0.001}))
    y, _ = next(iter(lower))(torch.tensor([[[[-0.5, 0.5]]]], dtype=torch.float64))
    torch.testing.assert_close(y.flatten().tolist(), [log(0.001 / 0.999), log(0.999 / 0.001)])
    for margin in (0.0, 0.5, float("nan")):
        with pytest.raises(InputError, match=f"margin is {margin}; it takes a number from 1e-06 to below 0.5"):
            replace(CONFIG, layout={"kind": kind, "logit": True, "margin": margin})


def test_realnvps_latents_are_laid_out_as_glows() -> None:
    model = Glow(CONFIG)
    model.initialize(torch.rand(8, 2, 8, 8) - 0.5)
    latents, _ = model(torch.rand(2, 2, 8, 8) - 0.5)
    assert [tuple(eps.shape[1:]) for eps in latents] == list(CONFIG.latent_shapes)
