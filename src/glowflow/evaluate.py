"""How good a model is (bits/dim, reconstruction error, classification error); and samples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import log, prod, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glowflow.config import GlowConfig
from glowflow.data import Dataset
from glowflow.errors import InputError, counted
from glowflow.images import quantize
from glowflow.model import Glow
from glowflow.noise import Stream, uniform_noise
from glowflow.parts import CONDITIONERS, COUPLINGS, DEQUANTIZERS, Fitted
from glowflow.processes import ALONE, Processes
from glowflow.progress import progress

LARGEST_BATCH = 100
LARGEST_ACTIVATION = 2**26
"""The largest number of elements in the widest tensor of a batch: a quarter of a gigabyte."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Likelihood:
    """Bits/dim over a data set.

    >>> Likelihood(3.35, standard_error=0.01, num_images=100, num_clusters=100, num_noise_draws=1).bits_per_dim
    3.35
    """

    bits_per_dim: float
    standard_error: float | None
    """Standard error of the mean. Images of a cluster aren't independent. None if there is only one cluster."""
    num_images: int
    num_clusters: int
    num_noise_draws: int
    importance: int = 1
    bound: str = ""
    """See `bound`."""


def bound(config: GlowConfig, importance: int = 1) -> str:
    """What makes bits/dim differ from those of uniform noise, for whoever compares them; empty if nothing does.

    >>> bound(GlowConfig((1, 28, 28), dequantizer="variational"), importance=8)
    'variational dequantisation, 8 importance draws'
    """
    name = DEQUANTIZERS.name_of(config.dequantizer)
    is_usual = name == "uniform" and importance == 1
    return "" if is_usual else f"{name} dequantisation, {counted(importance, 'importance draw')}"


def marked_bits(value: float, config: GlowConfig) -> str:
    """Bits/dim in words, marked if they aren't those of uniform noise.

    >>> marked_bits(1.25, GlowConfig((1, 28, 28), dequantizer="variational"))
    '1.250 bits/dim (bound)'
    """
    return f"{value:.3f} bits/dim" + (" (bound)" if bound(config) else "")


def likelihood(  # noqa: PLR0913 (as `scores`)
    model: Glow,
    dataset: Dataset,
    num_draws: int = 1,
    seed: int = 0,
    processes: Processes = ALONE,
    *,
    importance: int = 1,
) -> Likelihood:
    """Mean bits/dim of a data set's images; see `scores`.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> digits = load("digits", (1, 28, 28), "test").thinned(10)
    >>> found = likelihood(model, digits)
    >>> found.num_images, found.standard_error > 0
    (10, True)
    """
    values = scores(model, dataset, num_draws, seed, processes, importance=importance)
    mean = mean_of(values, dataset, num_draws)
    return replace(mean, importance=importance, bound=bound(model.config, importance))


def mean_of(values: Floats, dataset: Dataset, num_draws: int = 1) -> Likelihood:
    """Mean bits/dim of a data set, from the bits/dim of each image (N,) that `scores` gives.

    >>> from glowflow import load
    >>> mean_of(np.array([1.0, 3.0]), load("digits", (1, 28, 28), "test").thinned(2)).bits_per_dim
    2.0
    """
    clusters = np.arange(len(values)) if dataset.groups is None else dataset.groups
    error = standard_error(values, clusters)
    return Likelihood(float(values.mean()), error, len(values), len(np.unique(clusters)), num_draws)


def scores(  # noqa: PLR0913 (which images, and with which noise)
    model: Glow,
    dataset: Dataset,
    num_draws: int = 1,
    seed: int = 0,
    processes: Processes = ALONE,
    *,
    importance: int = 1,
) -> Floats:
    """Bits/dim of each image (N,), averaged over draws of the dequantisation noise.

    The mean over many draws is an upper bound for the bits per dimension of the quantised image. With `importance` K,
    each draw is K draws of noise, combined by importance weights: -log2((1/K) sum_k p(x_k) / q(u_k)), plus n for each
    value. This upper bound falls towards the exact value as K grows. Hoogeboom et al. 2020.

    The noise is a function of (seed, draw, row), see `noise_at`. So the result doesn't depend on how the images are
    divided into batches, or among processes.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> digits = load("digits", (1, 28, 28), "test").thinned(10)
    >>> scores(model, digits).shape
    (10,)
    """
    rows, total = processes.share(len(dataset)), num_draws * importance
    with progress(f"Bits/dim of {dataset.name} ({dataset.split})", total * len(rows)) as advance:
        draws = np.stack([_draw_scores(model, dataset, rows, (draw, seed), advance) for draw in range(total)])
    combined = _weighted(draws.reshape(num_draws, importance, -1), model.config.num_dims)
    return processes.gathered(combined.mean(0), len(dataset))


def _weighted(bits: Floats, num_dims: int) -> Floats:
    """Bits/dim (N, images) of the mean likelihood of K draws, from the bits/dim (N, K, images) of each."""
    log_likelihoods = torch.from_numpy(-num_dims * log(2) * bits)
    return (log(bits.shape[1]) - log_likelihoods.logsumexp(1).numpy()) / (num_dims * log(2))


@torch.no_grad()
def _draw_scores(
    model: Glow, dataset: Dataset, rows: range, noise: tuple[int, int], advance: Callable[..., None]
) -> Floats:
    parts = [np.empty(0)]
    for _, images, u, y in noisy(model, dataset, rows, *noise):
        parts.append(model.bits_per_dim(images, u, y).double().cpu().numpy())
        advance(len(images))
    return np.concatenate(parts)


def bits_of(model: Glow, images: Tensor, y: Tensor | None = None) -> Tensor:
    """Bits/dim (B,) of images (B, C, H, W), uint8. Each image gets the same noise, so its place in the batch is free.

    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> bits_of(model, torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
    torch.Size([2])

    Args:
        model: The model.
        images: Images on any device.
        y: Labels (B,) for a class-conditional model, on the model's device.
    """
    noise = uniform_noise(0, Stream.EVALUATION, 0, 1, model.config.image_shape)
    return model.bits_per_dim(images, noise.expand(images.shape), y)


@torch.no_grad()
def classification_error(model: Glow, dataset: Dataset, seed: int = 0, processes: Processes = ALONE) -> float:
    """Share of a labelled data set's images that a class-conditional model classifies wrongly; see `Glow.classify`.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8, num_classes=10))
    >>> 0 <= classification_error(model, load("digits", (1, 28, 28), "test").thinned(10)) <= 1
    True
    """
    wrong, rows = 0, processes.share(len(dataset))
    with progress(f"Classes of {dataset.name} ({dataset.split})", len(rows)) as advance:
        for _, x, y in dequantized(model, dataset, rows, 0, seed):
            if y is None:
                raise InputError(f"{dataset.name} has no labels to compare the model's with.")
            wrong += int((model.classify(x).argmax(1) != y).sum())
            advance(len(x))
    return int(processes.add(torch.tensor(wrong))) / len(dataset)


def standard_error(values: Floats, clusters: NDArray[np.int64]) -> float | None:
    """Standard error of the mean of `values` (N,). Values with the same cluster (N,) are not independent.

    With a cluster for each value this is the usual std / sqrt(N). With a single cluster it's unknown: None.

    >>> round(standard_error(np.array([1.0, 3.0]), np.array([0, 1])), 9)
    1.0
    """
    _, index = np.unique(clusters, return_inverse=True)
    with np.errstate(invalid="ignore"):  # an infinite value has no error
        totals = np.bincount(index, values - values.mean())
    num = len(totals)
    return None if num < 2 else float(sqrt(num / (num - 1)) * np.sqrt((totals**2).sum()) / len(values))


@torch.no_grad()
def reconstruction_error(model: Glow, dataset: Dataset, processes: Processes = ALONE) -> int:
    """Largest difference, in quantised levels, between an image and its reconstruction; 0 means exact.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> digits = load("digits", (1, 28, 28), "test").thinned(10)
    >>> reconstruction_error(model, digits)
    0
    """
    num_bits, rows = model.config.num_bits, processes.share(len(dataset))
    worst = [np.empty(0)]
    with progress(f"Reconstruction of {dataset.name} ({dataset.split})", len(rows)) as advance:
        for _, images, y in _batches(model, dataset, rows):
            decoded = model.decode(model.encode(images, y), y)
            difference = (decoded.int() - quantize(images, num_bits).int()).abs().flatten(1).amax(1)
            worst.append(difference.double().cpu().numpy())
            advance(len(images))
    return -(-int(processes.gathered(np.concatenate(worst), len(dataset)).max()) // 2 ** (8 - num_bits))


def dequantized(
    model: Glow, dataset: Dataset, rows: range, draw: int = 0, seed: int = 0
) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Yield each batch of `rows`: the index of its first row, continuous images, and class labels if the model has any.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> digits = load("digits", (1, 28, 28), "test").thinned(10)
    >>> [(first, x.shape) for first, x, _ in dequantized(model, digits, range(10))]
    [(0, torch.Size([10, 1, 28, 28]))]

    Args:
        model: It determines the device, the dequantisation and the size of the batches.
        dataset: The images.
        rows: Which images.
        draw: Which draw of the dequantisation noise.
        seed: The seed of the noise.
    """
    for start, images, noise, y in noisy(model, dataset, rows, draw, seed):
        yield start, model.dequantizer(images, noise)[0], y


def noisy(
    model: Glow, dataset: Dataset, rows: range, draw: int = 0, seed: int = 0
) -> Iterator[tuple[int, Tensor, Tensor, Tensor | None]]:
    """Yield each batch of `rows`: the index of its first row, images, noise, and labels if the model has classes.

    The images and the noise are on the model's device. The other arguments are those of `dequantized`.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> digits = load("digits", (1, 28, 28), "test").thinned(10)
    >>> [(first, noise.shape) for first, _, noise, _ in noisy(model, digits, range(10))]
    [(0, torch.Size([10, 1, 28, 28]))]
    """
    for start, images, y in _batches(model, dataset, rows):
        noise = noise_at(dataset, range(start, start + len(images)), draw, seed)
        yield start, images, noise.to(images.device), y


def noise_at(dataset: Dataset, rows: Sequence[int], draw: int = 0, seed: int = 0) -> Tensor:
    """The dequantisation noise (B, C, H, W) of the images at some rows.

    It's a function of the seed, the draw and the row, or of the image's place (`Dataset.places`) instead of the row.

    >>> from glowflow import load
    >>> noise_at(load("digits", (1, 28, 28), "test"), [3, 7]).shape
    torch.Size([2, 1, 28, 28])
    """
    if dataset.places is None:
        positions = [draw * len(dataset) + row for row in rows]
    else:
        positions = [draw + int(dataset.places[row]) for row in rows]
    shape = dataset.image_shape
    return torch.cat([uniform_noise(seed, Stream.EVALUATION, position, 1, shape) for position in positions])


def _batches(model: Glow, dataset: Dataset, rows: range) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Yield each batch of `rows`: the index of its first row, images and labels."""
    size = batch_size(model.config)
    for start in range(rows.start, rows.stop, size):
        images, labels = dataset.batch(range(start, min(start + size, rows.stop)))
        y = labels.to(model.device) if labels is not None and model.config.num_classes else None
        yield start, images.to(model.device), y


def sample(
    model: Glow,
    num: int,
    temperature: float = 1.0,
    labels: Sequence[int] | None = None,
    seed: int = 0,
) -> Tensor:
    """Random images (num, C, H, W), uint8 on the CPU, drawn in batches. The same seed gives the same images.

    A class-conditional model takes `labels`, one per image; without labels it takes its classes in turn.

    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> sample(model, 3, temperature=0.7, seed=1).shape
    torch.Size([3, 1, 28, 28])
    """
    classes = model.config.num_classes
    in_turn = torch.arange(num) % max(classes, 1)
    y = (in_turn if labels is None else torch.tensor(labels)).to(model.device) if classes else None
    generator = torch.Generator().manual_seed(int(seed))
    parts = [torch.empty(0, *model.config.image_shape, dtype=torch.uint8)]
    size = batch_size(model.config)
    for start in range(0, num, size):
        count = min(size, num - start)
        parts.append(model.sample(count, temperature, y if y is None else y[start : start + count], generator).cpu())
    return torch.cat(parts)


def batch_size(config: GlowConfig) -> int:
    """How many images to evaluate or draw at a time, so that the largest tensor stays small.

    >>> batch_size(GlowConfig((3, 32, 32))), batch_size(GlowConfig((3, 256, 256)))
    (100, 8)
    """
    largest = max(_largest_tensor(config, level) for level in range(config.num_levels))
    return max(1, min(LARGEST_BATCH, LARGEST_ACTIVATION // largest))


def _largest_tensor(config: GlowConfig, index: int) -> int:
    """About how many numbers the largest tensor of a level has for each image."""
    level = config.at(index)
    network, coupling = CONDITIONERS.options(level.conditioner), COUPLINGS.options(config.coupling)
    hidden = [
        network.largest_tensor(width, size) if isinstance(network, Fitted) else width * prod(size)
        for width, size in config.networks(index)
    ]
    changing = prod(level.shape) // 2
    return max(*hidden, changing * getattr(coupling, "params_per_channel", 0))
