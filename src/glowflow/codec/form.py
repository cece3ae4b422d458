"""The integer forms of bijections: their contract, and the registry of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

from glowflow.bijections import Bijection
from glowflow.codec.stream import Integers, Stream
from glowflow.errors import InputError

Builder = TypeVar("Builder", bound=Callable[..., Any])


class Form(ABC):
    """A bijection of whole numbers and a stream: (x, stream) -> (y, stream).

    x and y are int64 (B, C, H, W), and n stands for n / 2^14. y is close to what the float bijection gives for x, and
    the stream shrinks by about log_det / ln 2 bits. Both directions change the stream and leave x and y as they are.
    What either direction computes is the same on every machine.
    """

    @abstractmethod
    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Map x to y."""

    @abstractmethod
    def inverse(self, y: Tensor, stream: Stream) -> Tensor:
        """Map y back to x, and the stream to what it was."""


_FORMS: dict[type, Callable[[Any], Form]] = {}


def integer_form(*kinds: type[Bijection]) -> Callable[[Builder], Builder]:
    """Decorate a function, or a class, that makes the integer form of a bijection of exactly these classes."""

    def register(builder: Builder) -> Builder:
        _FORMS.update(dict.fromkeys(kinds, builder))
        return builder

    return register


def form_of(bijection: Bijection) -> Form:
    """The integer form of a bijection.

    Raises:
        InputError: If there is none, or if the weights can't be represented.
    """
    if type(bijection) not in _FORMS:  # a subclass may compute something else
        raise without_form(bijection)
    return _FORMS[type(bijection)](bijection)


def without_form(part: object) -> InputError:
    """The error for a part of a model that can't be coded."""
    return InputError(
        f"A model with {type(part).__name__} can't code images. The couplings additive, affine, affine-exp and "
        "affine-tanh can, with the conditioner conv and the dequantizer uniform."
    )


def row(x: Tensor) -> Integers:
    """The numbers of a tensor in a row, (n,)."""
    return x.contiguous().view(-1).numpy()
