"""Integer forms of the top latent's prior, with and without classes."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from glowflow.bijections import TopPrior
from glowflow.bijections.actnorm import LOGS_FACTOR
from glowflow.codec.coupling import standardised
from glowflow.codec.form import Form, integer_form, without_form
from glowflow.codec.linear import floats
from glowflow.codec.networks import network_of
from glowflow.codec.pieces import Pieces
from glowflow.codec.product import UNIT, Product
from glowflow.codec.reproducible import Floats, exp, sums
from glowflow.codec.stream import BASE, Integers, Stream
from glowflow.conditioners import TopNetwork
from glowflow.conditioners.top import ZeroLinear
from glowflow.errors import InputError


class Standardised(Form):
    """The map y = (x - mean) exp(-logsd), with constants mean and logsd, (1, C, H, W) each."""

    def __init__(self, mean: Tensor, logsd: Tensor) -> None:
        self.mean, self.logsd = mean, logsd

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Standardise x."""
        return standardised().forward(x, stream, self.mean.expand(x.shape), self.logsd.expand(x.shape))

    def inverse(self, y: Tensor, stream: Stream) -> Tensor:
        """Give y its mean and scale back."""
        return standardised().inverse(y, stream, self.mean.expand(y.shape), self.logsd.expand(y.shape))


class StandardisedByClass(Form):
    """The map y = (x - mean[label]) exp(-logsd[label]), with a label that the stream chooses for each image.

    The stream chooses label k with the probability p(k | x), where all classes are equally frequent, and then takes the
    label. So x costs as many bits as its density says, which is the mean of the classes' densities. This is bits back
    (Townsend et al. 2019). The labels that the images really have aren't needed.

    Args:
        mean: (K, C, H, W), for K classes.
        logsd: The same shape.
    """

    def __init__(self, mean: Tensor, logsd: Tensor) -> None:
        self.mean, self.logsd = mean, logsd
        self.means, self.logsds = (part.flatten(1).numpy() / UNIT for part in (mean, logsd))
        self.precisions = exp(-self.logsds)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Choose labels, and standardise x."""
        labels = np.array([each.draw(np.zeros(1, np.int64), stream)[0] for each in self._posteriors(x)], np.int64)
        y = standardised().forward(x, stream, *self._parameters(labels))
        for part in stream.rows(len(labels)):
            stream.push(labels[part], len(self.mean))
        return y

    def inverse(self, y: Tensor, stream: Stream) -> Tensor:
        """Give y its mean and scale back, and the choice to the stream."""
        labels = np.empty(len(y), np.int64)
        for part in list(stream.rows(len(y)))[::-1]:
            labels[part] = stream.pop(len(self.mean), len(labels[part]))
        x = standardised().inverse(y, stream, *self._parameters(labels))
        for label, each in list(zip(labels, self._posteriors(x), strict=True))[::-1]:
            each.undraw(np.array([label]), stream)
        return x

    def _parameters(self, labels: Integers) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(labels)
        return self.mean[chosen], self.logsd[chosen]

    def _posteriors(self, x: Tensor) -> Iterator[Pieces]:
        """The distribution of the label of each image."""
        classes = len(self.mean)
        for image in x.flatten(1).numpy() / UNIT:
            yield Pieces(np.arange(classes + 1), np.zeros(classes, np.int64), self._likelihoods(image))

    def _likelihoods(self, image: Floats) -> Floats:
        """The density of an image (D,) in each class, up to a factor."""
        log_densities = -sums(np.square((image - self.means) * self.precisions) / 2 + self.logsds)
        return exp(log_densities - log_densities.max())


@integer_form(TopPrior)
def _top_prior(prior: TopPrior) -> Form:
    network = prior.network
    if type(network) is not TopNetwork:
        raise without_form(network)
    zeros = torch.zeros(network.zeros.shape, dtype=torch.int64, device="cpu")
    constant = zeros if network.conv is None else network_of(network.conv)(zeros)
    if network.embedding is None:
        return Standardised(*constant.chunk(2, dim=1))
    if (classes := network.embedding.weight.shape[1]) > BASE:
        raise InputError(f"A model of {classes:,} classes can't code images: {BASE:,} are the most.")
    return StandardisedByClass(*(constant + _by_class(network.embedding)[:, :, None, None]).chunk(2, dim=1))


def _by_class(embedding: ZeroLinear) -> Tensor:
    """What an embedding gives for each class, int64 (K, 2 C)."""
    scales, weight = exp(LOGS_FACTOR * floats(embedding.logs)), floats(embedding.weight)
    product = Product(weight * scales[:, None], floats(embedding.bias) * scales)
    return product(UNIT * torch.eye(weight.shape[1], dtype=torch.int64, device="cpu")).T
