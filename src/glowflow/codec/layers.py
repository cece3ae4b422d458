"""Integer forms of the layers that move numbers, and of those that consist of others."""

from torch import Tensor

from glowflow.bijections import Chain, Reverse, Squeeze, Step
from glowflow.codec.form import Form, form_of, integer_form
from glowflow.codec.linear import composed
from glowflow.codec.stream import Stream


class Sequence(Form):
    """Forms one after the other."""

    def __init__(self, *forms: Form) -> None:
        self.forms = forms

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Map x through each form."""
        for form in self.forms:
            x = form.forward(x, stream)
        return x

    def inverse(self, y: Tensor, stream: Stream) -> Tensor:
        """Map y back through each form, the last one first."""
        for form in reversed(self.forms):
            y = form.inverse(y, stream)
        return y


class Move(Form):
    """A bijection that only moves numbers, and so is its own integer form. The stream stays as it is."""

    def __init__(self, bijection: Squeeze | Reverse) -> None:
        self.bijection = bijection

    def forward(self, x: Tensor, _: Stream) -> Tensor:
        """Move the numbers of x."""
        y: Tensor = self.bijection(x)[0]
        return y

    def inverse(self, y: Tensor, _: Stream) -> Tensor:
        """Move them back."""
        return self.bijection.inverse(y)


@integer_form(Squeeze, Reverse)
def _move(bijection: Squeeze | Reverse) -> Move:
    return Move(bijection)


@integer_form(Chain)
def _chain(chain: Chain) -> Sequence:
    return Sequence(*map(form_of, chain))


@integer_form(Step)
def _step(step: Step) -> Sequence:
    """Actnorm and permutation are one linear map, with a single scale of each number."""
    linear = [layer for layer in (step.actnorm, step.permutation) if layer is not None]
    return Sequence(composed(linear, len(step.actnorm.bias)), form_of(step.coupling))
