"""A coupling whose map is the distribution function of a mixture of logistic distributions."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from glowflow.bijections.coupling import HALVES, Coupling
from glowflow.bijections.masks import Mask
from glowflow.bijections.numerical import inverse_of_increasing
from glowflow.parts import COUPLINGS, Mixture

MAX_LOG_SCALE = 7.0
"""The logarithms of the components' scales lie between this number and its negative."""
SPREAD = 1.0
"""The components' means lie evenly between this number and its negative at first."""


@COUPLINGS.builds("mixture")
class MixtureCoupling(Coupling):
    """Coupling with y_b = logit F(x_b) * exp(a) + shift, where F is the distribution function of a mixture.

    F(x) = sum_k weight_k sigmoid((x - mean_k) / scale_k) and log_det = sum(a + ln d logit F(x_b) / dx_b). The inverse
    is found by Newton's method. For each number that changes, h has 2 + 3 K numbers: one whose tanh is a, the shift,
    K logits of the weights, K means and K logarithms of the scales. Ho et al. 2019 (Flow++).

    If h is zero, the map is near the identity. The means then differ by constants, because equal components would get
    equal gradients, and would stay equal.

    >>> coupling = MixtureCoupling(nn.Conv2d(2, 28, 3, padding=1))
    >>> x = torch.randn(1, 4, 8, 8)
    >>> torch.allclose(coupling.inverse(coupling(x)[0]), x, atol=1e-4)
    True

    Args:
        conditioner: From (B, C_in, H, W) to (B, C_in * (2 + 3 K), H, W), with C_in = `mask.num_channels(C)`.
        mask: Divides x into x_a and x_b.
        components: K, at least 2.
    """

    def __init__(self, conditioner: nn.Module, mask: Mask = HALVES, components: int = 4) -> None:
        super().__init__(conditioner, mask)
        self.params_per_channel = 2 + 3 * components

    @classmethod
    def build(cls, options: object, conditioner: Callable[[int], nn.Module], mask: Mask) -> "MixtureCoupling":
        """The coupling that a configuration names."""
        assert isinstance(options, Mixture)  # noqa: S101  for mypy
        return cls(conditioner(2 + 3 * options.components), mask, options.components)

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The logit of the distribution function, scaled and shifted."""
        log_scale, shift, mixture = self._divided(h)
        logit, log_derivative = mixture.logit(x_b)
        return logit * log_scale.exp() + shift, log_derivative + log_scale

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """The mixture's quantile of what is left after shift and scale are undone."""
        log_scale, shift, mixture = self._divided(h)
        return mixture.quantile((y_b - shift) * (-log_scale).exp())

    def _divided(self, h: Tensor) -> tuple[Tensor, Tensor, "LogisticMixture"]:
        """a, the shift and the mixture."""
        h = h.unflatten(1, (-1, self.params_per_channel))
        logits, means, log_scales = h[:, :, 2:].chunk(3, dim=2)
        spread = torch.linspace(-SPREAD, SPREAD, means.shape[2], dtype=h.dtype, device=h.device)
        means = means + spread.view(-1, *[1] * (h.ndim - 3))
        log_scales = log_scales.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE)
        return h[:, :, 0].tanh(), h[:, :, 1], LogisticMixture(logits.log_softmax(2), means, log_scales)


class LogisticMixture(NamedTuple):
    """A mixture of K logistic distributions for each number of a tensor (B, C, ...). Each field is (B, C, K, ...).

    Its functions compute the logarithms of F and 1 - F. These numbers themselves would be rounded to 0 or 1.
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor

    def logit(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logit F(x) and the logarithm of its derivative, both shaped like x."""
        z = (x.unsqueeze(2) - self.means) * (-self.log_scales).exp()
        tail = (-z.abs()).exp().log1p()  # -ln sigmoid(|z|)
        log_below = (self.log_weights + z.clamp(max=0) - tail).logsumexp(2)  # ln F(x)
        log_above = (self.log_weights - z.clamp(min=0) - tail).logsumexp(2)  # ln (1 - F(x))
        log_density = (self.log_weights - z.abs() - 2 * tail - self.log_scales).logsumexp(2)
        return log_below - log_above, log_density - log_below - log_above

    def quantile(self, logit: Tensor) -> Tensor:
        """The x with this logit F(x). It lies between the smallest and the largest of the components' quantiles."""
        quantiles = self.means + self.log_scales.exp() * logit.unsqueeze(2)
        return inverse_of_increasing(self.logit, logit, (quantiles.amin(2), quantiles.amax(2)))
