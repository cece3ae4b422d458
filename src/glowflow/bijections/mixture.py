"""A coupling whose map is the distribution function of a mixture of logistic distributions."""

from collections.abc import Callable
from typing import Any, NamedTuple

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
    is found by Newton's method. In float64 it is exact wherever F has a slope of more than about 1e-13. Only between
    components that are much narrower than their distance is F flatter. For each number that changes, h has 2 + 3 K
    numbers: one whose tanh is a, the shift, K logits of the weights, K means and K logarithms of the scales. Ho et al.
    2019 (Flow++).

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

    Raises:
        InputError: If there are fewer components.
    """

    def __init__(self, conditioner: nn.Module, mask: Mask = HALVES, components: int = 4) -> None:
        super().__init__(conditioner, mask)
        self.params_per_channel = Mixture(components).params_per_channel

    @classmethod
    def build(cls, options: object, conditioner: Callable[[int], nn.Module], mask: Mask) -> "MixtureCoupling":
        """The coupling that a configuration names."""
        assert isinstance(options, Mixture)  # noqa: S101  for mypy
        return cls(conditioner(options.params_per_channel), mask, options.components)

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The logit of the distribution function, scaled and shifted."""
        log_scale, shift, mixture = self._divided(h)
        logit, log_derivative = mixture.logit(x_b)
        return torch.addcmul(shift, logit, log_scale.exp()), log_derivative + log_scale

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """The mixture's quantile of what is left after shift and scale are undone."""
        log_scale, shift, mixture = self._divided(h)
        return mixture.quantile((y_b - shift) * (-log_scale).exp())

    def _divided(self, h: Tensor) -> tuple[Tensor, Tensor, "LogisticMixture"]:
        """a, the shift and the mixture."""
        components = (self.params_per_channel - 2) // 3
        h = h.unflatten(1, (-1, self.params_per_channel)).movedim(2, 0).contiguous()  # so each part is contiguous
        a, shift, logits, means, log_scales = h.split([1, 1, *[components] * 3])
        spread = torch.linspace(-SPREAD, SPREAD, components, dtype=h.dtype, device=h.device)
        means = means + spread.view(-1, *[1] * (h.ndim - 1))
        log_scales = log_scales.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE)
        return a[0].tanh(), shift[0], LogisticMixture(logits.log_softmax(0), means, log_scales)


class LogisticMixture(NamedTuple):
    """A mixture of K logistic distributions for each number of a tensor (B, C, ...). Each field is (K, B, C, ...).

    Its functions compute the logarithms of F and 1 - F. These numbers themselves would be rounded to 0 or 1.
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor

    def logit(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logit F(x) and the logarithm of its derivative, both shaped like x."""
        return _Logit.apply(x, *self)  # type: ignore[no-untyped-call]

    def quantile(self, logit: Tensor) -> Tensor:
        """The x with this logit F(x). It lies between the smallest and the largest of the components' quantiles."""
        quantiles = self.means + self.log_scales.exp() * logit
        return inverse_of_increasing(self.logit, logit, (quantiles.amin(0), quantiles.amax(0)))


class _Logit(torch.autograd.Function):
    """`LogisticMixture.logit`. Its backward pass takes a quarter of the operations that autograd's own would take.

    If the backward pass itself is differentiated, it starts from the inputs, which autograd can follow.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 (torch's context)
        terms, sums, z, scales = _terms(*inputs)
        ctx.save_for_backward(*inputs, terms, sums, z, scales)
        log_below, log_above, log_density = sums
        return log_below - log_above, log_density - log_below - log_above

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        saved = ctx.saved_tensors  # read once, as recomputation under torch.utils.checkpoint asks
        inputs, found = saved[:4], saved[4:]
        terms, sums, z, scales = _terms(*inputs) if torch.is_grad_enabled() else found
        grad_logit, grad_derivative = grads
        grad_sums = torch.stack([grad_logit - grad_derivative, -grad_logit - grad_derivative, grad_derivative])
        below, above, density = (terms - sums[:, None]).exp() * grad_sums[:, None]  # each one's share
        grad_z = (below + density) * (-z).sigmoid() - (above + density) * z.sigmoid()  # (ln sigmoid(z))' = sigmoid(-z)
        grad_x = grad_z / scales
        return grad_x.sum(0), below + above + density, -grad_x, -(grad_z * z + density)


def _terms(x: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The logarithms (3, K, ...) of each component's part of F(x), of 1 - F(x) and of the density; their sums (3, ...).

    Also z, which is x standardised by each component, and the scales.
    """
    scales = log_scales.exp()
    z = (x - means) / scales
    from_one = log_weights - (-z.abs()).exp().log1p()  # ln(weight sigmoid(|z|))
    below, above = from_one + z.clamp(max=0), from_one - z.clamp(min=0)
    terms = torch.stack([below, above, below + above - log_weights - log_scales])
    return terms, terms.logsumexp(1), z, scales
