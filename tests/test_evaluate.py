"""Measurements: their values, their errors, and that they don't depend on how images are batched."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from glowflow import Glow, GlowConfig, InputError, evaluate
from glowflow.data import Dataset
from glowflow.evaluate import (
    LARGEST_ACTIVATION,
    LARGEST_BATCH,
    batch_size,
    classification_error,
    likelihood,
    noise_at,
    reconstruction_error,
    sample,
    scores,
    standard_error,
)
from glowflow.images import Array, dequantize
from glowflow.noise import Stream, uniform_noise
from glowflow.parts import Part
from glowflow.pictures import grid, stacked
from tests.helpers import randomize


@pytest.fixture(name="model")
def _model() -> Glow:
    torch.manual_seed(0)
    return randomize(Glow(GlowConfig((3, 8, 8), steps=2, width=8, num_bits=5)), 0.1)


@pytest.fixture(name="dataset")
def _dataset() -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 3), dtype=np.uint8)
    return Dataset("noise", "test", images, groups=np.arange(23) % 4)


def test_samples_do_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = randomize(Glow(GlowConfig((1, 6, 10), steps=2, width=8)), 0.1)
    whole = sample(model, 9)
    assert torch.equal(sample(model, 4), whole[:4])
    assert sample(model, 0).shape == (0, 1, 6, 10)
    monkeypatch.setattr(evaluate, "LARGEST_BATCH", 2)
    assert torch.equal(sample(model, 9), whole)


def test_scores_do_not_depend_on_the_batches(model: Glow, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scores(model, dataset, num_draws=2)
    monkeypatch.setattr(evaluate, "LARGEST_BATCH", 7)
    np.testing.assert_allclose(scores(model, dataset, num_draws=2), whole, rtol=1e-5)


def test_every_draw_and_seed_has_its_own_noise(model: Glow, dataset: Dataset) -> None:
    one, two, other = scores(model, dataset), scores(model, dataset, num_draws=2), scores(model, dataset, seed=1)
    assert (one != two).all()
    assert (one != other).all()


def test_noise_is_a_function_of_the_row_or_of_the_image(dataset: Dataset) -> None:
    assert torch.equal(noise_at(dataset, [5, 6], 2, 7), uniform_noise(7, Stream.EVALUATION, 2 * 23 + 5, 2, (3, 8, 8)))
    by_content = dataset.with_noise_by_content()
    moved = replace(dataset, images=dataset.images[::-1]).with_noise_by_content()
    draws = [noise_at(by_content, range(23), draw) for draw in (0, 1)]
    assert torch.equal(noise_at(moved, range(22, -1, -1)), draws[0])
    assert torch.equal(noise_at(by_content.chosen(np.array([4, 9])), [0, 1]), draws[0][[4, 9]])
    assert len(torch.cat(draws).flatten(1).unique(dim=0)) == 46


def test_importance_weights_combine_the_draws_of_noise(model: Glow, dataset: Dataset) -> None:
    draws = np.stack([scores(model, dataset, num_draws=n) * n for n in range(1, 5)])
    draws[1:] -= draws[:-1].copy()  # of each draw alone
    weights = torch.from_numpy(-draws * 192 * np.log(2))
    combined = -(weights.logsumexp(0) - np.log(4)).numpy() / (192 * np.log(2))
    np.testing.assert_allclose(scores(model, dataset, importance=4), combined, rtol=1e-4)
    pairs = [-(pair.logsumexp(0) - np.log(2)).numpy() / (192 * np.log(2)) for pair in (weights[:2], weights[2:])]
    np.testing.assert_allclose(scores(model, dataset, num_draws=2, importance=2), np.mean(pairs, axis=0), rtol=1e-4)
    np.testing.assert_allclose(scores(model, dataset, importance=1), scores(model, dataset), rtol=1e-12)
    found = likelihood(model, dataset, importance=4)
    assert (found.bits_per_dim, found.importance) == (scores(model, dataset, importance=4).mean(), 4)
    assert found.bound == "uniform dequantisation, 4 importance draws"
    assert not likelihood(model, dataset).bound


@pytest.mark.parametrize(
    ("dequantizer", "std"), [("uniform", 0.12), ({"kind": "variational", "steps": 2, "width": 8}, 0.05)]
)
def test_importance_weights_approach_the_exact_likelihood(dequantizer: Part, std: float) -> None:
    """The exact likelihood of an image of four values is an integral over their bins, computed by quadrature."""
    torch.manual_seed(0)
    model = randomize(Glow(GlowConfig((1, 2, 2), 1, 2, 8, num_bits=2, dequantizer=dequantizer)), std)
    image = torch.tensor([[[[0, 70], [140, 200]]]], dtype=torch.uint8)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    u = torch.cartesian_prod(*[torch.tensor((nodes + 1) / 2)] * 4).view(-1, 1, 2, 2)
    volume = torch.cartesian_prod(*[torch.tensor(weights / 2)] * 4).prod(1)
    with torch.no_grad():
        densities = deepcopy(model).double().log_prob(dequantize(image.expand(len(u), -1, -1, -1), 2, u)).exp()
    exact = 2 - float((densities * volume).sum().log()) / (4 * np.log(2))
    copies = Dataset("copies", "test", image.movedim(1, 3).expand(300, -1, -1, -1).numpy())
    found = [scores(model, copies, importance=draws).mean() - exact for draws in (1, 4, 32)]
    assert found[0] > 2 * found[1] > 0
    assert found[0] > 0.01
    assert found[2] == pytest.approx(0, abs=0.01)


def test_likelihood_is_the_mean_with_its_clustered_error(model: Glow, dataset: Dataset) -> None:
    values = scores(model, dataset)
    result = likelihood(model, dataset)
    assert result.bits_per_dim == values.mean()
    assert (result.num_images, result.num_clusters, result.num_noise_draws) == (23, 4, 1)
    assert dataset.groups is not None
    assert result.standard_error == standard_error(values, dataset.groups)
    independent = likelihood(model, replace(dataset, groups=None))
    assert independent.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(23))


def test_clustered_error_of_identical_members_is_that_of_their_clusters() -> None:
    means = np.array([1.0, 4.0, 2.0, 9.0])
    expected = means.std(ddof=1) / np.sqrt(4)
    assert standard_error(np.repeat(means, 10), np.repeat(np.arange(4), 10)) == pytest.approx(expected)
    assert standard_error(np.ones(5), np.zeros(5, dtype=np.int64)) is None


def test_reconstruction_error_counts_levels(model: Glow, dataset: Dataset) -> None:
    assert reconstruction_error(model, dataset) == 0

    class OffByTwo(Glow):
        def decode(self, z: Array, y: Array | None = None, *, exact: bool = True) -> Tensor:
            images = super().decode(z, y, exact=exact)
            images[-1, 0, 0, 0] = (images[-1, 0, 0, 0].int() + 16) % 256
            return images

    broken = OffByTwo(model.config)
    broken.load_state_dict(model.state_dict())
    assert reconstruction_error(broken, replace(dataset, images=dataset.images // 2)) == 2


def test_classes_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Glow(GlowConfig((1, 4, 4), steps=1, width=4, num_classes=3))
    seen = []

    def record(num: int, _temperature: float, y: Tensor, _generator: torch.Generator) -> Tensor:
        seen.append(y.tolist())
        return torch.zeros(num, 1, 4, 4)

    monkeypatch.setattr(model, "sample", record)
    sample(model, 5)
    sample(model, 2, labels=[1, 1])
    assert seen == [[0, 1, 2, 0, 1], [1, 1]]


def test_classification_error_counts_wrong_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Glow(GlowConfig((3, 8, 8), steps=1, width=4, num_classes=3))
    labels = np.arange(10) % 3
    images = np.zeros((10, 8, 8, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = labels * 80
    dataset = Dataset("noise", "test", images, labels, class_names=("a", "b", "c"))

    def first_pixel_tells(x: Tensor) -> Tensor:
        return torch.nn.functional.one_hot((x[:, 0, 0, 0] > -0.3).long(), 3).float()  # never the third class

    monkeypatch.setattr(model, "classify", first_pixel_tells)
    assert classification_error(model, dataset) == pytest.approx(0.3)
    with pytest.raises(InputError, match="no labels"):
        classification_error(Glow(GlowConfig((3, 8, 8), steps=1, width=4)), replace(dataset, labels=None))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGBA"), (7, "RGB")])
def test_grids_show_any_number_of_channels(channels: int, mode: str) -> None:
    images = torch.randint(256, (5, channels, 6, 8), dtype=torch.uint8)
    picture = grid(images, columns=3)
    assert picture.mode == mode
    assert picture.size == (3 * 64 + 2 * 2, 2 * 48 + 2)
    assert stacked({"a": picture, "b": picture}).size[1] > 2 * picture.size[1]


class Largest(TorchDispatchMode):
    """Notes the largest number of elements of a tensor that an operation gives."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num = 0

    def __torch_dispatch__(self, function: Any, types: object, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        found = function(*args, **(kwargs or {}))
        tensors = [each for each in tree_flatten(found)[0] if isinstance(each, Tensor)]
        self.num = max([self.num, *(each.numel() for each in tensors)])
        return found


@pytest.mark.parametrize(
    "parts",
    [
        {"width": 512},
        {"coupling": {"kind": "mixture", "components": 16}, "width": 16},
        {"conditioner": {"kind": "attention", "heads": 1}, "width": 2048, "image_shape": (3, 64, 64)},
        {"conditioner": {"kind": "transformer", "patch": 4, "mlp_ratio": 64}, "width": 256},
        {"coupling": "affine-tanh", "layout": "realnvp", "width": 128},
    ],
)
def test_the_largest_tensor_of_a_batch_stays_small(parts: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"image_shape": (3, 256, 256), "levels": 1, "steps": 1} | parts
    config = GlowConfig(**settings)
    size = batch_size(config)
    assert 1 < size < LARGEST_BATCH
    with torch.device("meta"), torch.no_grad(), Largest() as largest:
        model = Glow(config)
        largest.num = 0
        images = torch.zeros(size, *config.image_shape, dtype=torch.uint8)
        model.bits_per_dim(images, torch.zeros(images.shape))
    assert 0.2 * LARGEST_ACTIVATION < largest.num < 1.4 * LARGEST_ACTIVATION


def test_what_places_find_about_each_other_counts() -> None:
    """Not every device computes attention without a matrix of all pairs of places."""
    config = GlowConfig((3, 128, 128), 1, 1, 8, conditioner={"kind": "attention", "heads": 2})
    assert batch_size(config) == LARGEST_ACTIVATION // (2 * 4096**2)
