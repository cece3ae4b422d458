"""The contract that every layer of the flow keeps, and the composition of layers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from copy import deepcopy
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from glowflow.errors import InputError


class Bijection(nn.Module, ABC):
    """An invertible, differentiable map y = f(x) between tensors of shape (B, C, H, W).

    All maps except the squeeze and the checkerboard also take vectors (B, C), or any other number of dimensions after
    the channels.

    - `forward` runs from data towards latent, the direction of training. `inverse` runs back.
    - `log_det` is ln |det df/dx| of each image: always a (B,) tensor in nats, on x's device and of its dtype.
    - Both directions are pure, deterministic and differentiable, and work in float64. Images of a batch do not
      influence each other.
    - Everything that the inverse needs is a parameter or a buffer; nothing is cached and there are no modes.

    >>> class Double(Bijection):
    ...     def forward(self, x):
    ...         return 2 * x, x.new_tensor(2.0).log() * x[0].numel() * x.new_ones(len(x))
    ...     def inverse(self, y):
    ...         return y / 2
    >>> Double()(torch.ones(2, 3, 4, 4))[1]  # 48 values are stretched by 2: 48 ln 2
    tensor([33.2711, 33.2711])
    """

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, C, H, W) to (y, log_det)."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """Map y back to the x with `forward(x)[0] == y`."""

    def by_position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x, and divide log_det among the positions of x: (y, values (B, H, W)), in nats.

        The values of an image add up to its log_det. Here they are all equal. A layer whose derivatives differ from
        position to position overrides this.
        """
        y, log_det = self(x)
        size = x.shape[2:]
        return y, (log_det / prod(size)).view(-1, *[1] * len(size)).expand(-1, *size)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set the data-dependent parameters from the batch x, and return the output that the layer then gives for x.

        This happens only when it's called. A layer without data-dependent parameters just maps x.
        """
        return self.forward(x)[0]

    def freeze(self) -> "Bijection":
        """A separate, immutable form for inference, in which everything that depends on weights alone is computed."""
        return deepcopy(self).requires_grad_(requires_grad=False).eval()


def per_image(values: Tensor) -> Tensor:
    """The sum (B,) of each image's values (B, ...)."""
    return values.sum(tuple(range(1, values.ndim))) if values.ndim > 1 else values


def per_channel(values: Tensor, x: Tensor) -> Tensor:
    """Values (C,) as a view that broadcasts along the channels of x (B, C, ...)."""
    return values.view(-1, *[1] * (x.ndim - 2))


def regridded(values: Tensor, size: Sequence[int]) -> Tensor:
    """Values (B, h, w) on a grid of another size (H, W). Each is shared among the positions that overlap its own area.

    So an image's values keep their sum.

    >>> regridded(torch.tensor([[[4.0, 8.0]]]), (2, 4))
    tensor([[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]])
    """
    if values.shape[1:] == tuple(size):
        return values
    down, across = (_shares(*sides, values) for sides in zip(values.shape[1:], size, strict=True))
    return down @ values @ across.T


def _shares(old: int, new: int, like: Tensor) -> Tensor:
    """The share (new, old) of each of `old` equal parts of a length that lies in each of `new` equal parts."""
    starts, others = old * torch.arange(new)[:, None], new * torch.arange(old)  # the length is old * new
    overlap = torch.minimum(starts + old, others + new) - torch.maximum(starts, others)
    return overlap.clamp(min=0).to(like) / new


def checked(part: object, given: Any, *shapes: Sequence[int]) -> Any:  # noqa: ANN401 (a tensor, or a tuple of tensors)
    """What a part, or the part of a name, has given: a tensor of each of these shapes. InputError for anything else."""
    several = given if isinstance(given, tuple) else (given,)
    found = [tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__ for each in several]
    if found != [tuple(shape) for shape in shapes]:
        told, expected = (" and ".join(map(str, each)) for each in (found, map(tuple, shapes)))
        name = part if isinstance(part, str) else type(part).__name__
        raise InputError(f"{name} gives {told}; it should give {expected}.")
    return given


class Chain(Bijection):
    """Composition: `Chain(f, g)` is x -> g(f(x)).

    >>> import torch
    >>> from glowflow.bijections import ActNorm, Chain, Squeeze
    >>> flow = Chain(Squeeze(), ActNorm(4))
    >>> y, log_det = flow(torch.zeros(2, 1, 8, 6))
    >>> y.shape, log_det.shape
    (torch.Size([2, 4, 4, 3]), torch.Size([2]))
    """

    def __init__(self, *bijections: Bijection) -> None:
        super().__init__()
        for index, bijection in enumerate(bijections):
            self.add_module(str(index), bijection)

    def __iter__(self) -> Iterator[Bijection]:
        return iter(cast("dict[str, Bijection]", self._modules).values())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x through each bijection in order, and add the log-determinants."""
        log_det = x.new_zeros(len(x))
        for bijection in self:
            x, term = bijection(x)
            log_det = log_det + term
        return x, log_det

    def inverse(self, y: Tensor) -> Tensor:
        """Map y back through each inverse, last bijection first."""
        for bijection in reversed(tuple(self)):
            y = bijection.inverse(y)
        return y

    def by_position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x through each bijection, and add the values on the grid of x."""
        size = x.shape[2:]
        total = x.new_zeros(len(x), *size)
        for bijection in self:
            x, values = bijection.by_position(x)
            total = total + regridded(values, size)
        return x, total

    def initialize(self, x: Tensor) -> Tensor:
        """Initialise each bijection on the output of those before it."""
        for bijection in self:
            x = bijection.initialize(x)
        return x

    def freeze(self) -> Bijection:
        """The chain of the frozen forms."""
        return Chain(*(bijection.freeze() for bijection in self))
