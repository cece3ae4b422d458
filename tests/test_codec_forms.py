"""Every bijection has an integer form that follows it, or is refused by name."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow import InputError
from glowflow.bijections import AdditiveCoupling, Bijection, Conditioner, Conv1x1, SplitPrior, TopPrior
from glowflow.bijections.prior import standard_normal_log_prob
from glowflow.codec.form import form_of
from glowflow.codec.networks import Convolution, network_of
from glowflow.codec.product import EXACT, LARGEST, UNIT
from glowflow.codec.scaling import LARGEST_VALUE
from glowflow.codec.stream import Stream
from glowflow.conditioners import ConvConditioner, EdgeConv, TopNetwork, ZeroConv
from glowflow.conditioners.edge import ZeroConv1x1
from tests.helpers import randomize
from tests.test_bijections import REGISTRY

WITHOUT = {
    "logit": "Bounded",
    "top prior, conditional": "Labelled",
    "frozen step": "FrozenStep",
    "coupling mixture": "MixtureCoupling",
    "conditioner residual": "ResidualConditioner",
    "conditioner attention": "AttentionConditioner",
    "conditioner transformer": "TransformerConditioner",
}
WITH = [name for name in REGISTRY if name not in WITHOUT]


def made(name: str) -> Bijection:
    torch.manual_seed(0)
    return randomize(REGISTRY[name]()).double()


def whole(x: Tensor) -> Tensor:
    return (x * UNIT).round().long()


@pytest.fixture(name="x")
def _x() -> Tensor:
    return whole(torch.randn(40, 4, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("name", WITHOUT)
def test_a_bijection_without_an_integer_form_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"^A model with {WITHOUT[name]} can't code images"):
        form_of(made(name))


def test_a_subclass_is_not_taken_for_its_base() -> None:
    class Doubled(Conv1x1):
        def matrix(self) -> Tensor:
            return 2 * super().matrix()

    with pytest.raises(InputError, match="Doubled"):
        form_of(Doubled(4))


@pytest.mark.parametrize("name", WITH)
def test_the_inverse_undoes_forward_and_the_stream(name: str, x: Tensor) -> None:
    form, stream, original = form_of(made(name)), Stream(lanes=7), x.clone()
    y = form.forward(x, stream)
    assert torch.equal(x, original)
    kept = y.clone()
    assert torch.equal(form.inverse(y, stream), x)
    assert torch.equal(y, kept)
    assert stream.is_initial()


@pytest.mark.parametrize("name", WITH)
def test_forward_undoes_the_inverse_and_the_stream(name: str, x: Tensor) -> None:
    form, stream = form_of(made(name)), Stream(lanes=7)
    y = whole(torch.randn(form.forward(x, Stream(lanes=7)).shape, dtype=torch.float64))
    assert torch.equal(form.forward(form.inverse(y, stream), stream), y)
    assert stream.is_initial()


@pytest.mark.parametrize("name", WITH)
def test_it_follows_the_float_form(name: str, x: Tensor) -> None:
    """It gives nearly the same numbers, and its stream shrinks by the logarithm of the determinant."""
    bijection, stream = made(name), Stream(lanes=7)
    y = form_of(bijection).forward(x, stream)
    expected, log_det = bijection(x.double() / UNIT)
    assert y.shape == expected.shape
    torch.testing.assert_close(y.double() / UNIT, expected, rtol=2e-3, atol=2e-3)
    per_number = (stream.bits + log_det.sum().item() / np.log(2)) / x.numel()
    assert abs(per_number) < 2e-3


@pytest.mark.parametrize("name", WITH)
@pytest.mark.parametrize("size", [0, 1, 2**26, 2**40])
def test_any_whole_numbers_come_back(name: str, size: int) -> None:
    """Numbers far beyond those that a network is limited to, and zeros."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(-size, size, (3, 4, 2, 6), endpoint=True))
    form, stream = form_of(made(name)), Stream(lanes=100)
    assert torch.equal(form.inverse(form.forward(x, stream), stream), x)
    assert stream.is_initial()


@pytest.fixture(name="by_class")
def _by_class() -> TopPrior:
    torch.manual_seed(0)
    return randomize(TopPrior(TopNetwork((4, 2, 6), num_classes=3)), 0.1).double()


@pytest.mark.parametrize("lanes", [2, 100])
def test_a_prior_with_classes_is_undone_whatever_the_stream_chooses(by_class: TopPrior, x: Tensor, lanes: int) -> None:
    form, stream = form_of(by_class), Stream(lanes)
    assert torch.equal(form.inverse(form.forward(x, stream), stream), x)
    assert torch.equal(form.forward(form.inverse(x, stream), stream), x)
    assert stream.is_initial()


def test_a_prior_with_more_classes_than_a_stream_can_choose_from_is_refused() -> None:
    prior = TopPrior(TopNetwork((1, 1, 2), num_classes=(1 << 16) + 1))
    with pytest.raises(InputError, match="65,537 classes can't code images: 65,536 are the most"):
        form_of(prior)


def test_a_prior_with_a_thousand_classes_is_undone(x: Tensor) -> None:
    """At first, all classes are equally likely."""
    form, stream = form_of(TopPrior(TopNetwork((4, 2, 6), num_classes=1000)).double()), Stream(lanes=7)
    assert torch.equal(form.inverse(form.forward(x, stream), stream), x)
    assert torch.equal(form.forward(form.inverse(x, stream), stream), x)
    assert stream.is_initial()


def test_a_prior_with_classes_costs_what_the_mean_of_their_densities_says(by_class: TopPrior) -> None:
    """Numbers of all classes, and numbers between them."""
    labels = torch.arange(400) % 3
    x = by_class.inverse(torch.randn(400, 4, 2, 6, dtype=torch.float64), labels)
    x[300:] = x[300:].roll(1, 0) * 0.5
    form, stream = form_of(by_class), Stream(lanes=7)
    y = form.forward(whole(x), stream)
    normal = standard_normal_log_prob(y.double() / UNIT)
    densities = []
    for label in range(3):
        eps, log_det = by_class(x, torch.full((400,), label))
        densities.append(log_det + standard_normal_log_prob(eps))
    expected = torch.stack(densities).logsumexp(0) - np.log(3)
    found = -stream.bits * np.log(2) + normal.sum().item()
    assert found / x.numel() == pytest.approx(expected.sum().item() / x.numel(), abs=2e-3)


def test_images_come_back_one_by_one(x: Tensor) -> None:
    form, stream = form_of(made("chain")), Stream(lanes=7)
    ys = [form.forward(image, stream) for image in x.split(1)]
    xs = [form.inverse(y, stream) for y in reversed(ys)]
    assert torch.equal(torch.cat(xs[::-1]), x)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: ConvConditioner(3, 5, width=9),
    "conv with more outputs": lambda: ConvConditioner(2, 20, width=9),
    "conv, last 1x1": lambda: ConvConditioner(3, 5, width=9, last=1),
    "zero": lambda: ZeroConv(4, 3),
    "zero, 1x1": lambda: ZeroConv1x1(4, 3),
    "edge": lambda: EdgeConv(3, 8),
}
"""Some gather the neighbours of pixels, and some spread what pixels add."""


@pytest.fixture(name="network", params=NETWORKS)
def _network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return randomize(NETWORKS[request.param]()).double()


def inputs(network: nn.Module) -> int:
    first = network.get_parameter("conv1.weight" if isinstance(network, ConvConditioner) else "weight")
    return first.shape[1] - (first.shape[-1] == 3)


@torch.no_grad()
def test_a_network_of_whole_numbers_follows_that_of_floats(network: nn.Module) -> None:
    x = whole(torch.randn(2, inputs(network), 4, 6, dtype=torch.float64))
    found = network_of(network)(x).double() / UNIT
    torch.testing.assert_close(found, network(x.double() / UNIT), rtol=1e-3, atol=5e-4)


@torch.no_grad()
def test_a_network_is_exact_for_the_largest_numbers(network: nn.Module) -> None:
    """Each convolution equals the one that Python's whole numbers give, so no addition was rounded."""
    form = network_of(network)
    channels = inputs(network)
    h = torch.full((channels, 1, 3, 3), float(LARGEST), dtype=torch.float64)
    h[0, 0, 0, 1], h[-1, 0, 2, 2] = -LARGEST, 1 - LARGEST
    for convolution in form.convolutions:
        product = convolution.product
        padding = (product.weight.shape[1] != len(h)) * 1
        columns = h.flatten(1)
        if padding:
            edge = F.pad(torch.zeros(1, 1, 3, 3, dtype=torch.float64), (1, 1, 1, 1), value=UNIT)
            columns = F.unfold(torch.cat([F.pad(h, (1, 1, 1, 1)), edge]).transpose(0, 1), 3)[0]
        units = (2**product.shift * product.weight, 2**product.shift * (product.bias - 0.5), columns)
        weight, bias, x = (part.long().numpy().astype(object) for part in units)
        sums = weight @ x + bias
        assert abs(sums).max() < EXACT
        expected = (2 * sums + (1 << product.shift)) // (2 << product.shift)
        found = convolution(h)
        assert found.flatten(1).long().tolist() == expected.tolist()
        h = found.clamp(0, LARGEST)
        h[::2] = LARGEST


def test_images_of_a_network_do_not_influence_each_other(network: nn.Module) -> None:
    form, x = network_of(network), whole(torch.randn(3, inputs(network), 4, 6))
    assert torch.equal(torch.cat([form(image) for image in x.split(1)]), form(x))


def test_many_images_go_through_a_network_in_parts(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """So memory doesn't grow with their number, and every part is as it would be among the others."""
    x, form, seen = whole(torch.randn(5, inputs(network), 4, 6)), network_of(network), []
    expected = form(x)
    first, *others = form.convolutions

    class Watched(Convolution):
        def __init__(self) -> None:
            pass

        def __call__(self, h: Tensor) -> Tensor:
            seen.append(h.shape[1])
            return first(h)

    form.convolutions = (Watched(), *others)
    monkeypatch.setattr("glowflow.codec.networks.MOST_PIXELS", 2 * 4 * 6 + 1)
    assert torch.equal(form(x), expected)
    assert seen == [2, 2, 1]


def test_a_network_of_one_s_own_is_refused_by_name() -> None:
    class Own(Conditioner):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(InputError, match="A model with Own can't"):
        form_of(AdditiveCoupling(Own()))
    with pytest.raises(InputError, match="A model with Conv2d can't"):
        form_of(SplitPrior(nn.Conv2d(2, 4, 1)))


def test_numbers_at_the_limit_are_refused_or_come_back() -> None:
    form = form_of(made("step"))
    x = torch.full((1, 4, 2, 6), LARGEST_VALUE)
    with pytest.raises(ArithmeticError):
        form.forward(x + 1, Stream(lanes=7))
