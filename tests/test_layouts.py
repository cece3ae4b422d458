"""How RealNVP's layers are laid out: masks, order of channels, sizes."""

import torch
from torch import Tensor, nn

from glowflow import Glow, GlowConfig
from glowflow.bijections import AdditiveCoupling, Checkerboard, Coupling, Logit, Permute
from glowflow.layouts import DIAGONALS, ROWS, levels

CONFIG = GlowConfig((2, 8, 8), 2, 3, 4, "affine-tanh", "reverse", layout="realnvp", residual_blocks=1, learn_top=False)


class Recorder(nn.Module):
    """A conditioner that keeps what it sees and gives ones."""

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


def test_realnvp_couples_rows_and_splits_off_a_diagonal() -> None:
    lower, _ = levels(CONFIG)
    squeezed = torch.tensor([10 * c + place for c in range(2) for place in range(4)]).view(1, 8, 1, 1)
    permutes = [m for m in lower if isinstance(m, Permute)]
    rows, _ = permutes[0](squeezed)
    assert rows.flatten().tolist() == [10 * c + place for place in ROWS for c in range(2)]
    diagonals, _ = permutes[1](rows)
    assert diagonals.flatten().tolist() == [10 * c + place for place in DIAGONALS for c in range(2)]


def test_realnvps_latents_are_laid_out_as_glows() -> None:
    model = Glow(CONFIG)
    model.initialize(torch.rand(8, 2, 8, 8) - 0.5)
    latents, _ = model(torch.rand(2, 2, 8, 8) - 0.5)
    assert [tuple(eps.shape[1:]) for eps in latents] == list(CONFIG.latent_shapes)
