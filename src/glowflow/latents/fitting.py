"""Directions of attributes from examples, by the original's difference of means or by logistic regression."""

import tempfile
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from glowflow.data import Dataset
from glowflow.errors import InputError, listed
from glowflow.evaluate import dequantized
from glowflow.latents.directions import Directions
from glowflow.model import Glow
from glowflow.progress import progress

Method = Literal["means", "logistic"]

FEWEST = 2
"""The fewest examples with an attribute, and the fewest without."""
PASSES = 60
"""The most passes that the regression makes over the latents."""
BATCH = 500

Truths = NDArray[np.bool_]


def truths(dataset: Dataset) -> tuple[tuple[str, ...], Truths]:
    """The names of a data set's attributes, and which image has which (N, A). Labels serve if it has no attributes.

    Raises:
        InputError: If the data set has neither.
    """
    if dataset.attributes is not None:
        return dataset.attribute_names, np.asarray(dataset.attributes)
    if dataset.labels is None:
        raise InputError(
            f"{dataset.name} has neither attributes nor labels: give a folder with a sub-folder for each label."
        )
    return dataset.class_names, np.asarray(dataset.labels)[:, None] == np.arange(len(dataset.class_names))


class Means:
    """The means of latents with and without each attribute, computed batch by batch."""

    def __init__(self, num_attributes: int, num_dims: int) -> None:
        self.sums = torch.zeros(2, num_attributes, num_dims, dtype=torch.float64)
        self.counts = torch.zeros(2, num_attributes, dtype=torch.float64)

    def add(self, z: Tensor, has: Tensor) -> None:
        """Add latents (B, D); `has`, bool (B, A), says which of them has which attribute."""
        for index, mask in enumerate((~has, has)):
            self.sums[index] += mask.T.double() @ z.double()
            self.counts[index] += mask.sum(0)

    @property
    def differences(self) -> Tensor:
        """The mean with each attribute minus the mean without it, float32 (A, D)."""
        without, having = self.sums / self.counts[:, :, None]
        return (having - without).float()


@torch.no_grad()
def fit(model: Glow, dataset: Dataset, names: tuple[str, ...] | None = None, method: Method = "means") -> Directions:
    """The direction of each attribute, from images that have it and images that don't.

    - "means" gives mean(z | attribute) - mean(z | not), as in the original's demonstration.
    - "logistic" gives the part of this difference along w, the normal of a logistic regression's boundary. A regression
      tells attributes apart that often occur together.

    Adding a direction to latents without the attribute moves their mean, measured along the direction, to the mean of
    those with it. Latents are of images with dequantisation noise, in float32. They are computed in batches and needn't
    fit into memory ("logistic" keeps them in a temporary file, 2 D bytes each).

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), steps=1, width=8))
    >>> directions = fit(model, load("digits", (1, 28, 28), "test"), names=("3",))
    >>> directions.names, directions.vectors.shape
    (('3',), torch.Size([1, 784]))

    Args:
        model: The model that gives the latents.
        dataset: Images with attributes or labels.
        names: Names of attributes; by default those of all that have enough examples.
        method: "means" or "logistic".

    Raises:
        InputError: If an attribute is unknown, or has too few examples.
    """
    attributes, has = _chosen(dataset, names)
    means = Means(len(attributes), model.config.num_dims)
    with tempfile.TemporaryFile() as file, progress(f"Latents of {dataset.name}", len(dataset)) as advance:
        for start, x, y in dequantized(model, dataset, range(len(dataset))):
            z = model.flatten(model(x, y)[0]).float().cpu()
            means.add(z, torch.from_numpy(has[start : start + len(z)]))
            if method == "logistic":
                file.write(z.half().numpy().tobytes())
            advance(len(z))
        vectors = means.differences
        if method == "logistic":
            file.flush()
            latents = np.memmap(file, np.float16, "c", shape=(len(dataset), model.config.num_dims))
            vectors = _along(_regression(latents, has), vectors)
    about = [
        {"method": method, "data": dataset.name, "with": int(count), "without": len(dataset) - int(count)}
        for count in has.sum(0)
    ]
    return Directions(attributes, vectors, tuple(about))


def _chosen(dataset: Dataset, names: tuple[str, ...] | None) -> tuple[tuple[str, ...], Truths]:
    """The named attributes, or all that have enough examples, and which image has which."""
    every, has = truths(dataset)
    fewest = np.minimum(has.sum(0), len(has) - has.sum(0))
    for name in names or ():
        if name not in every:
            raise InputError(f"{dataset.name} has no attribute {name!r}; it has {listed(every, 40)}.")
        if fewest[every.index(name)] < FEWEST:
            raise InputError(f"{dataset.name} has too few examples for {name}: it takes {FEWEST} with it and without.")
    columns = [index for index, name in enumerate(every) if (name in names if names else fewest[index] >= FEWEST)]
    if not columns:
        raise InputError(f"{dataset.name} has no attribute with {FEWEST} examples with it and {FEWEST} without.")
    return tuple(every[index] for index in columns), has[:, columns]


@torch.enable_grad()
def _regression(latents: NDArray[np.float16], has: Truths) -> Tensor:
    """Weights (A, D) of a logistic regression for each attribute, fitted by L-BFGS.

    It minimises the sum of the losses plus half the squared weights. Images with and without have equal total weight.
    """
    weight = torch.zeros(has.shape[1], latents.shape[1], requires_grad=True)
    bias = torch.zeros(has.shape[1], requires_grad=True)
    share = torch.from_numpy(has.mean(0)).float()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=PASSES, max_eval=PASSES, line_search_fn="strong_wolfe")
    with progress("Logistic regression", PASSES, "passes") as advance:

        def loss() -> Tensor:
            optimizer.zero_grad()
            total = weight.square().sum() / 2
            total.backward()
            for start in range(0, len(latents), BATCH):
                rows = slice(start, start + BATCH)
                logits = F.linear(torch.from_numpy(latents[rows]).float(), weight, bias)
                part = _balanced_loss(logits, torch.from_numpy(has[rows]).float(), share)
                part.backward()
                total = total.detach() + part.detach()
            advance(1)
            return total

        optimizer.step(loss)
    return weight.detach()


def _balanced_loss(logits: Tensor, wanted: Tensor, share: Tensor) -> Tensor:
    """The summed cross-entropy (B, A), weighted by the share (A,) of images with an attribute."""
    balance = torch.where(wanted > 0, 0.5 / share, 0.5 / (1 - share))
    return F.binary_cross_entropy_with_logits(logits, wanted, balance, reduction="sum")


def _along(normals: Tensor, differences: Tensor) -> Tensor:
    """The projections of differences of means (A, D) onto normals (A, D)."""
    return normals * ((normals * differences).sum(1) / normals.square().sum(1))[:, None]
