"""Coupling layers: one part of the image decides how the other part is changed."""

from abc import abstractmethod
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections.base import Bijection, checked, per_image
from glowflow.bijections.conditioner import Conditioner, PlainConditioner, Weights
from glowflow.bijections.masks import Halves, Mask
from glowflow.bijections.numerical import inverse_of_increasing
from glowflow.errors import InputError
from glowflow.parts import COUPLINGS

HALVES = Halves()


class Coupling(Bijection):
    """Keeps one part of x, x_a, and maps the other part, x_b, by an increasing elementwise map given h = f(x_a).

    y = (x_a, t(x_b; h)), where f, the conditioner, is any network, and t is the subclass's `transform`. The mask says
    which part is which. By default x_a is the first half of the channels (C even), and f goes from C/2 channels to
    C/2 times `params_per_channel`. The conditioner runs once in either direction.
    (B, C, H, W) -> (B, C, H, W). Dinh et al. 2015, section 3.2.

    A subclass defines `params_per_channel` and `transform`. It may define `untransform` too, if there is a formula.
    Otherwise the inverse is found by a search, which is exact in float64.

    >>> class Cubic(Coupling):
    ...     params_per_channel = 1
    ...     def transform(self, x_b, h):
    ...         return x_b + h.exp() * x_b**3, (1 + 3 * h.exp() * x_b**2).log()
    >>> coupling, x = Cubic(nn.Conv2d(2, 2, 3, padding=1)).double(), torch.randn(1, 4, 8, 8).double()
    >>> torch.allclose(coupling.inverse(coupling(x)[0]), x)
    True

    Args:
        conditioner: From (B, C_in, H, W) to (B, C_in * params_per_channel, H, W), with C_in = `mask.num_channels(C)`.
        mask: Divides x into x_a and x_b.
    """

    params_per_channel: int
    """How many numbers of h the map of each number of x_b takes."""

    def __init__(self, conditioner: nn.Module, mask: Mask = HALVES) -> None:
        super().__init__()
        self.conditioner = conditioner if isinstance(conditioner, Conditioner) else PlainConditioner(conditioner)
        self.mask = mask
        self.precision: torch.dtype | None = None

    @classmethod
    def build(cls, options: object, conditioner: Callable[[int], nn.Module], mask: Mask) -> "Coupling":
        """The coupling that a configuration names. A coupling that has options overrides this.

        Args:
            options: This coupling's options, see `glowflow.parts.COUPLINGS`.
            conditioner: Takes a number of parameters per channel, and makes the network that gives them.
            mask: Divides x into x_a and x_b.
        """
        check_contract(cls)
        return cls(conditioner(cls.params_per_channel), mask)

    @abstractmethod
    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Map x_b (B, C, H, W), given h (B, C * params_per_channel, H, W), to y_b and ln dy_b/dx_b, shaped like x_b."""

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """The x_b that `transform` maps to y_b."""
        return inverse_of_increasing(lambda x_b: self.transform(x_b, h), y_b)

    def forward(self, x: Tensor, weights: Weights = ()) -> tuple[Tensor, Tensor]:
        """Transform x_b, given x_a; `weights` are what the conditioner's `prepare` computed, if it was called."""
        x_a, x_b = self.mask.split(x)
        y_b, log_derivative = self._transformed(x_b, self.condition(x_a, weights))
        return self.mask.join(x_a, y_b), per_image(log_derivative)

    def inverse(self, y: Tensor) -> Tensor:
        """Transform y_b back, given y_a."""
        y_a, y_b = self.mask.split(y)
        x_b = self.untransform(y_b, self.condition(y_a))
        return self.mask.join(y_a, x_b)

    def by_position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Transform x_b, and add the logarithms of its derivatives over the channels; x_a has none."""
        x_a, x_b = self.mask.split(x)
        y_b, log_derivative = self._transformed(x_b, self.condition(x_a))
        return self.mask.join(x_a, y_b), self.mask.join(torch.zeros_like(x_a), log_derivative).sum(1)

    def extra_repr(self) -> str:
        """The mask."""
        return f"mask={self.mask!r}"

    def condition(self, x_a: Tensor, weights: Weights = ()) -> Tensor:
        """The conditioner's output h for x_b, in x_a's type. It's computed in `precision`, if that is set."""
        if weights:
            return self.mask.select(self.conditioner.run(x_a, weights)).to(x_a.dtype)
        if self.precision is None or x_a.is_meta:  # tensors without values have no autocast
            return self.mask.select(self.conditioner(x_a))
        with torch.autocast(x_a.device.type, self.precision):
            return self.mask.select(self.conditioner(x_a)).to(x_a.dtype)

    def freeze(self) -> "Coupling":
        """The same coupling with the inference form of its conditioner."""
        conditioner = self.conditioner.freeze(self.precision)
        frozen = deepcopy(self, {id(self.conditioner): conditioner})
        return frozen.requires_grad_(requires_grad=False).eval()

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialise the conditioner on x_a."""
        x_a, x_b = self.mask.split(x)
        h = self.conditioner.initialize(x_a)
        return self.mask.join(x_a, self._transformed(x_b, self.mask.select(h))[0])

    def _transformed(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """`transform`, after a check of the conditioner's output, and with one of the result."""
        batch, channels, *size = x_b.shape
        checked(self.conditioner, h, (batch, channels * self.params_per_channel, *size))
        result: tuple[Tensor, Tensor] = checked(self, self.transform(x_b, h), x_b.shape, x_b.shape)
        return result


def check_contract(coupling: object) -> None:
    """Refuse a coupling, or its class, without `params_per_channel`."""
    if not hasattr(coupling, "params_per_channel"):
        name = coupling.__name__ if isinstance(coupling, type) else type(coupling).__name__
        raise InputError(
            f"{name} doesn't define params_per_channel: how many numbers its map takes for each number that changes."
        )


@COUPLINGS.builds("additive")
class AdditiveCoupling(Coupling):
    """Coupling with y_b = x_b + h, log_det = 0. The conditioner has C/2 outputs. Dinh et al. 2015.

    >>> import torch
    >>> coupling = AdditiveCoupling(torch.nn.Conv2d(2, 2, 3, padding=1))
    >>> x = torch.randn(1, 4, 8, 8)
    >>> torch.allclose(coupling.inverse(coupling(x)[0]), x, atol=1e-6)
    True
    """

    params_per_channel = 1

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Add h."""
        return x_b + h, x_b.new_zeros(()).expand_as(x_b)

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Subtract h."""
        return y_b - h


@COUPLINGS.builds("affine")
class AffineCoupling(Coupling):
    """Coupling with y_b = (x_b + shift) * sigmoid(s + 2), log_det = sum ln sigmoid(s + 2).

    The conditioner has C outputs, shift and s interleaved: shift = h[0::2], s = h[1::2]. This is the original code's
    form. Its scale stays below 1 (near 0.88 at the start), which keeps the inverse stable.

    >>> import torch
    >>> coupling = AffineCoupling(torch.nn.Conv2d(2, 4, 3, padding=1))
    >>> coupling(torch.randn(5, 4, 8, 8))[1].shape
    torch.Size([5])
    """

    params_per_channel = 2

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Shift, then scale."""
        y_b, log_scale, _ = _Affine.apply(x_b, h)  # type: ignore[no-untyped-call]
        return y_b, log_scale

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Unscale, then unshift."""
        shift, s = deinterleave(h)
        return torch.addcmul(y_b, y_b, (-2 - s).exp()) - shift  # 1 / sigmoid(s) = 1 + exp(-s)


@COUPLINGS.builds("affine-exp")
class AffineExpCoupling(Coupling):
    """Coupling with y_b = x_b * exp(s) + shift, log_det = sum s: the form of the paper's table 1.

    The conditioner has C outputs, interleaved as in `AffineCoupling`. The scale is unbounded, so training is less
    stable than with the original code's form.

    >>> import torch
    >>> coupling = AffineExpCoupling(torch.nn.Conv2d(2, 4, 3, padding=1))
    >>> coupling(torch.randn(5, 4, 8, 8))[1].shape
    torch.Size([5])
    """

    params_per_channel = 2

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Scale, then shift."""
        shift, s = deinterleave(h)
        return x_b * s.exp() + shift, s

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Unshift, then unscale."""
        shift, s = deinterleave(h)
        return (y_b - shift) * (-s).exp()


@COUPLINGS.builds("affine-tanh")
class AffineTanhCoupling(Coupling):
    """Coupling with y_b = x_b * exp(log_scale) + shift, log_scale = factor tanh(s), log_det = sum log_scale.

    The conditioner's output is interleaved as in `AffineCoupling`. The learned number `factor` bounds the scale.
    Dinh et al. 2017, section 3.2, with the scale of section 4.1.

    >>> import torch
    >>> coupling = AffineTanhCoupling(torch.nn.Conv2d(2, 4, 3, padding=1))
    >>> coupling(torch.randn(5, 4, 8, 8))[1].shape
    torch.Size([5])
    """

    params_per_channel = 2

    def __init__(self, conditioner: nn.Module, mask: Mask = HALVES) -> None:
        super().__init__(conditioner, mask)
        self.factor = nn.Parameter(torch.ones(()))

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Scale, then shift."""
        shift, s = deinterleave(h)
        log_scale = self.factor * s.tanh()
        return x_b * log_scale.exp() + shift, log_scale

    def untransform(self, y_b: Tensor, h: Tensor) -> Tensor:
        """Unshift, then unscale."""
        shift, s = deinterleave(h)
        return (y_b - shift) * (-self.factor * s.tanh()).exp()


class _Affine(torch.autograd.Function):
    """`AffineCoupling.transform`, whose backward pass takes four operations; autograd's own would take nine.

    It saves only its outputs, so the backward pass can be differentiated, too. That's why the scale is an output.
    """

    @staticmethod
    def forward(ctx: Any, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401 (torch's context)
        shift, s = deinterleave(h)
        log_scale = F.logsigmoid(s + 2)
        scale = log_scale.exp()
        y_b = (x_b + shift) * scale
        ctx.save_for_backward(y_b, scale)
        ctx.set_materialize_grads(False)
        return y_b, log_scale, scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        (y_b, scale), grad_scale = ctx.saved_tensors, grads[2]
        grad_y, grad_log_scale = (torch.zeros_like(y_b) if grad is None else grad for grad in grads[:2])
        grad_x = grad_y * scale  # also the gradient of the shift
        grad_log_scale = torch.addcmul(grad_log_scale, grad_y, y_b)
        if grad_scale is not None:  # only where the backward pass itself is differentiated
            grad_log_scale = torch.addcmul(grad_log_scale, grad_scale, scale)
        grad_s = torch.addcmul(grad_log_scale, grad_log_scale, scale, value=-1)  # d ln sigmoid(s + 2) / ds
        return grad_x, interleave(grad_x, grad_s)


def interleave(even: Tensor, odd: Tensor) -> Tensor:
    """The h that `deinterleave` divides into these; it's in channels-last memory if they are."""
    return torch.stack([even.movedim(1, -1), odd.movedim(1, -1)], dim=-1).flatten(-2).movedim(-1, 1)


def deinterleave(h: Tensor) -> tuple[Tensor, Tensor]:
    """Channels 0, 2, 4, ... and channels 1, 3, 5, ... of h (B, 2 C, H, W): two tensors (B, C, H, W)."""
    return h[:, 0::2], h[:, 1::2]
