"""The bits of an image, divided by level, by kind and by pixel, and the maps that are drawn of them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from glowflow import Glow, GlowConfig, InputError
from glowflow.bijections import Bijection, Chain
from glowflow.cli import main
from glowflow.data import Dataset
from glowflow.evaluate import scores
from glowflow.images import dequantize
from glowflow.scoring.bits import Bits
from glowflow.scoring.colours import coloured
from glowflow.scoring.heat import Heat, drawn, heats
from glowflow.scoring.where import FEWEST, UsualBits, bits_by_pixel
from tests.helpers import randomize, sentence

SHAPE = (3, 16, 24)
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "glow": {},
    "one level": {"levels": 1},
    "additive": {"coupling": "additive"},
    "realnvp": {"layout": "realnvp"},
    "logit": {"layout": {"kind": "glow", "logit": True}},
    "mixture": {"coupling": "mixture"},
    "attention": {"conditioner": "attention"},
    "LU": {"permutation": "conv1x1-lu"},
    "variational": {"dequantizer": "variational"},
    "conditional": {"num_classes": 3},
    "fixed top": {"learn_top": False},
}


class Tanh(Bijection):
    """A layer of one's own, which doesn't say where its log_det is."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.tanh(), (-2 * x.cosh().log()).flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        return y.atanh()


def built(name: str, *, frozen: bool = False) -> Glow:
    torch.manual_seed(0)
    config = GlowConfig(SHAPE, steps=2, width=8, num_bits=5, **ARCHITECTURES.get(name, {}))
    model = randomize(Glow(config), 0.05)
    if name == "own":
        first = model.levels[0]
        assert isinstance(first, Chain)
        model.levels[0] = Chain(Tanh(), *first)
    return model.freeze() if frozen else model


def batch(model: Glow) -> tuple[Tensor, Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (4, *model.config.image_shape), dtype=torch.uint8, generator=generator)
    y = torch.tensor([0, 1, 2, 0]) if model.config.num_classes else None
    return images, torch.rand(images.shape, generator=generator), y


def of(model: Glow, images: Tensor, noise: Tensor, y: Tensor | None = None) -> Bits:
    """The bits of whole images."""
    x, log_q = model.dequantized(images, noise)
    return Bits.of_pass(model.by_level(x, y), log_q, model.config)


@pytest.mark.parametrize("frozen", [False, True], ids=["", "frozen"])
@pytest.mark.parametrize("name", [*ARCHITECTURES, "own"])
@torch.no_grad()
def test_the_pixels_add_up_to_the_bits_of_the_image(name: str, *, frozen: bool) -> None:
    model = built(name, frozen=frozen)
    given = batch(model)
    bits, num_dims = Bits.by_pixel(model, *given), model.config.num_dims
    assert bits.total.shape == (4, 16, 24)
    assert bits.total.dtype == torch.float64
    exact = model.in_float64().bits_per_dim(*given) * num_dims
    torch.testing.assert_close(bits.total.sum((1, 2)), exact, rtol=1e-12, atol=0)
    torch.testing.assert_close(exact, num_dims * model.bits_per_dim(*given).double(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", [*ARCHITECTURES, "own"])
@torch.no_grad()
def test_levels_and_kinds_add_up_to_the_same_with_pixels_and_without(name: str) -> None:
    model = built(name)
    given = batch(model)
    images, pixels = of(model, *given), Bits.by_pixel(model, *given)
    assert images.eps.shape == images.prior.shape == images.log_det.shape == (4, model.config.num_levels)
    torch.testing.assert_close(images.total, model.bits_per_dim(*given) * model.config.num_dims, rtol=1e-5, atol=0)
    for one, other in (
        (images.eps, pixels.eps),
        (images.prior, pixels.prior),
        (images.log_det, pixels.log_det),
        (images.dequantization, pixels.dequantization),
    ):
        torch.testing.assert_close(one, other.sum((-2, -1)).float(), rtol=1e-4, atol=1e-2)


@torch.no_grad()
def test_each_level_has_the_bits_of_its_own_latents_and_layers() -> None:
    model = built("glow").double()
    images, noise, _ = batch(model)
    bits, (kept, _) = of(model, images, noise), model.dequantized(images, noise)
    for index, level in enumerate(model.levels):
        assert isinstance(level, Chain)
        *layers, last = level
        if index == model.config.num_levels - 1:
            y, log_det = level(kept)
            eps, prior = model.prior(y)
        else:
            y, log_det = Chain(*layers)(kept)
            y, prior = last(y)
            kept, eps = y.chunk(2, dim=1)
        log_density = torch.distributions.Normal(0.0, 1.0).log_prob(eps).flatten(1).sum(1)
        torch.testing.assert_close(bits.eps[:, index], -log_density / np.log(2))
        torch.testing.assert_close(bits.prior[:, index], -prior / np.log(2))
        torch.testing.assert_close(bits.log_det[:, index], -log_det / np.log(2))


@torch.no_grad()
def test_a_change_shows_in_its_place() -> None:
    """The finest level sees nothing of a changed pixel that is far away."""
    model = built("glow").double()
    images, noise, _ = batch(model)
    changed = images.clone()
    changed[:, :, 2:4, 2:4] ^= 255
    before, after = (Bits.by_pixel(model, each, noise) for each in (images, changed))
    for old, new in ((before.latents, after.latents), (before.log_det, after.log_det)):
        difference = (new - old)[:, 0].abs()
        assert difference[:, 2:4, 2:4].min() > 0
        assert difference[:, :, 18:].max() == 0


@pytest.fixture(name="model")
def _model() -> Glow:
    torch.manual_seed(0)
    return randomize(Glow(GlowConfig((3, 8, 8), steps=2, width=8, num_bits=5)), 0.1)


@pytest.fixture(name="dataset")
def _dataset() -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    images[:, 2:] //= 8
    return Dataset("noise", "validation", images)


def test_the_maps_of_a_data_set_add_up_to_its_scores(
    model: Glow, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glowflow.evaluate.LARGEST_BATCH", 2)
    rows = [31, 4, 17]
    totals = torch.cat([bits.total.sum((1, 2)) for bits in bits_by_pixel(model, dataset, rows, seed=1)]) / 192
    np.testing.assert_allclose(totals, scores(model, dataset, seed=1)[rows], rtol=1e-6)


def test_usual_images_have_no_excess_on_average(model: Glow, dataset: Dataset) -> None:
    usual = UsualBits.of(model, dataset)
    kept = np.delete(np.arange(40), scores(model, dataset).argmax())
    (bits,) = bits_by_pixel(model, dataset, kept.tolist(), seed=None)
    excess, latents = usual.excess(bits), bits.latents.numpy()
    np.testing.assert_allclose(usual.mean, latents.mean(0), rtol=1e-9)
    np.testing.assert_allclose(usual.deviation, latents.std(0), rtol=1e-6)
    np.testing.assert_allclose(excess.mean(0), 0, atol=1e-9)
    assert 0.1 < excess.std() < 1


def test_the_excess_finds_a_pasted_square(model: Glow, dataset: Dataset) -> None:
    """The upper rows of all images are noise, and take the most bits. A square of noise further down is unusual."""
    model.initialize(dequantize(dataset.batch(range(40))[0], 5))
    images = np.array(dataset.images[:6])
    images[:, 4:6, 4:6] = dataset.images[6:12, 0:2, 2:4]
    for _, heat in heats(model, Dataset("changed", "test", images), range(6), UsualBits.of(model, dataset)):
        row, column = np.unravel_index(heat.values.argmax(), (8, 8))
        assert row in {4, 5}
        assert column in {4, 5}


def test_each_level_is_standardised_by_itself() -> None:
    """Level 0 has pixels that vary more and less than usual for it, and level 1 is the same in all usual images."""
    usual = UsualBits(mean=np.ones((2, 1, 2)), deviation=np.array([[[1.0, 7.0]], [[0.0, 0.0]]]))
    zero = torch.zeros(1, 2, 1, 2, dtype=torch.float64)
    for latents, expected in (((1, 1), (0, 0)), ((11, 1), (1, 5 / 7)), ((1, 2), (0.5, 0.5)), ((11, 2), (1.5, 17 / 14))):
        eps = torch.tensor(latents, dtype=torch.float64).view(1, 2, 1, 1).expand(zero.shape)
        found = usual.excess(Bits(eps - 3, zero + 3, zero, zero[:, 0]))
        np.testing.assert_allclose(found, [[expected]])


def test_one_broken_image_hides_nothing(model: Glow, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """One usual image takes very many bits at one pixel. The maps of others are as sharp as before."""
    broken = 7
    sharp, by_pixel = UsualBits.of(model, dataset), Bits.by_pixel

    def breaking(glow: Glow, images: Tensor, *rest: Any) -> Bits:  # noqa: ANN401 (passed on)
        bits = by_pixel(glow, images, *rest)
        is_it = (images == dataset.batch([broken])[0]).all((1, 2, 3))
        bits.eps[is_it, :, 3, 3] += 1e4
        return bits

    def many(glow: Glow, images: Dataset, **_: object) -> np.ndarray[Any, Any]:
        return scores(glow, images) + 100.0 * (images.images == dataset.images[broken]).all((1, 2, 3))

    monkeypatch.setattr("glowflow.scoring.where.Bits.by_pixel", breaking)
    monkeypatch.setattr("glowflow.scoring.where.scores", many)
    found = UsualBits.of(model, dataset)
    assert found.deviation.max() < 2 * sharp.deviation.max()


def test_too_few_usual_images_are_refused(model: Glow, dataset: Dataset) -> None:
    few = dataset.chosen(np.arange(FEWEST - 1))
    with pytest.raises(InputError, match="noise has 29 validation images; at least 30 are needed"):
        UsualBits.of(model, few)


def test_the_colours_look_evenly_spaced() -> None:
    """CIELAB, another model of how people see colours, agrees that lightness rises evenly."""
    linear = (coloured(np.linspace(0, 1, 256)) / 255.0 + 0.055) / 1.055
    luminance = (linear**2.4) @ [0.2126, 0.7152, 0.0722]
    steps = np.diff(116 * np.cbrt(luminance)[::16])
    assert steps.min() > 0.6 * steps.mean()
    assert steps.max() < 1.4 * steps.mean()


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 3), (256, 256, 3), (8, 300, 4), (16, 12, 2)])
def test_a_picture_shows_image_maps_and_scales(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    image, values = rng.integers(0, 256, shape, dtype=np.uint8), rng.random(shape[:2])
    one, two = (drawn(image, maps, ("a.png",)) for maps in ([Heat.bits(values)], [Heat.bits(values)] * 2))
    assert one.mode == "RGB"
    assert one.height == two.height > 64
    assert two.width - one.width >= 180
    hot, cold = coloured(np.array([1.0, 0.0]))
    pixels = np.asarray(one).reshape(-1, 3)
    for colour in (hot, cold):
        assert (pixels == colour).all(1).sum() >= 12  # in the scale at least


def test_what_is_not_finite_is_drawn() -> None:
    for values in (np.full((4, 4), np.nan), np.array([[0.0, np.inf], [1.0, -np.inf]]), np.zeros((4, 4))):
        for heat in (Heat.bits(values), Heat.unusual(values)):
            assert np.isfinite(heat.shares).all()
            assert np.isfinite(heat.ends).all()
            drawn(np.zeros((*values.shape, 1), np.uint8), [heat])
    assert Heat.bits(np.array([[0.0, np.nan], [1.0, 0.5]])).shares[0, 1] == 1


def test_the_maps_of_an_image(model: Glow, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits have the noise of the seed; deviations have none, so they are the same for every seed."""
    monkeypatch.setattr("glowflow.evaluate.LARGEST_BATCH", 3)
    usual = UsualBits.of(model, dataset)
    (bits,) = bits_by_pixel(model, dataset, [7], seed=1)
    assert [len(maps) for maps in heats(model, dataset, range(7))] == [1] * 7
    first, second = (list(heats(model, dataset, range(3, 10), usual, seed))[4] for seed in (1, 2))
    np.testing.assert_allclose(first[0].values, bits.total[0].numpy())
    assert (first[0].values != second[0].values).any()
    np.testing.assert_array_equal(first[1].values, second[1].values)


def test_score_draws_the_most_unusual_images(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The maps show what is usual for the images that the model was calibrated with."""
    np.save("usual.npy", np.random.default_rng(5).integers(0, 256, (120, 8, 8, 3), dtype=np.uint8))
    assert main(["calibrate", "run", "--data", "usual.npy"]) == 0
    assert main(["score", "run", "--maps", "here/maps", "--maps-num", "3"]) == 0
    told = capsys.readouterr().err
    assert "3 maps in here/maps, the most unusual image first." in told
    assert "only" not in told
    lines = [line.split(",") for line in Path("scores.csv").read_text().splitlines()[1:]]
    most = sorted(lines, key=lambda line: -float(line[3]))[:3]  # by the score `unusual`
    expected = [f"{rank}-{line[1]}-{line[0].replace('/', '_')}" for rank, line in enumerate(most, 1)]
    assert sorted(os.listdir("here/maps")) == expected
    for name in expected:
        with Image.open(home / "here" / "maps" / name) as picture:
            assert picture.width > 4 * 256


def test_maps_go_into_a_new_folder_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("score", "run", "--maps")
    assert "pictures is not empty: give --maps a new folder." in sentence(capsys, *words, "pictures")
    assert "tiny.yaml is no folder" in sentence(capsys, *words, "tiny.yaml")
    assert "tiny.yaml is no folder" in sentence(capsys, *words, "tiny.yaml/maps")
    assert "--maps-num" in sentence(capsys, *words, "maps", "--maps-num", "0")
    assert not (home / "maps").exists()
    assert not (home / "scores.csv").exists()


def test_without_usual_images_only_bits_are_drawn(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "run", "--data", "pictures", "--maps", "maps", "--maps-num", "2"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "The maps show only the bits of each pixel. Make a reference, which also has the bits that usual" in told
    names = os.listdir("maps")
    assert len(names) == 2
    with Image.open(home / "maps" / names[0]) as picture:
        assert picture.width < 4 * 256
