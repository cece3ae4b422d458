"""Every bijection keeps the contract: one registry, every property."""

from collections.abc import Callable
from functools import partial
from math import log, prod

import pytest
import torch
from torch import Tensor, nn

from glowflow import InputError, bijections
from glowflow.bijections import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    AffineExpCoupling,
    AffineTanhCoupling,
    Bijection,
    Chain,
    Checkerboard,
    Conv1x1,
    Conv1x1LU,
    Coupling,
    Halves,
    Logit,
    Mask,
    Permute,
    Reverse,
    Shuffle,
    SplitPrior,
    Squeeze,
    Step,
    TopPrior,
)
from glowflow.bijections.base import regridded
from glowflow.bijections.conv1x1 import Invertible1x1
from glowflow.bijections.coupling import check_contract
from glowflow.conditioners import ConvConditioner, TopNetwork, ZeroConv
from glowflow.parts import CONDITIONERS, COUPLINGS, PERMUTATIONS
from tests.helpers import assert_needed, jacobian_log_det, randomize

SHAPE = (4, 2, 6)


class Labelled(Bijection):
    """A class-conditional prior with its labels fixed: image i of a batch has label i modulo the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.prior = TopPrior(TopNetwork(SHAPE, num_classes=3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = self.prior(x, self._labels(x))
        return result

    def inverse(self, y: Tensor) -> Tensor:
        return self.prior.inverse(y, self._labels(y))

    def _labels(self, x: Tensor) -> Tensor:
        return torch.arange(len(x), device=x.device) % 3


class Bounded(Bijection):
    """All numbers into the interval that `Logit` is defined on."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.tanh() / 1.8, (-2 * x.cosh().log() - log(1.8)).flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        return (1.8 * y).atanh()


class Pixelwise(Bounded):
    """`Bounded`, which maps each number by itself, with its derivatives by position."""

    def by_position(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self(x)[0], (-2 * x.cosh().log() - log(1.8)).sum(1)


def coupling(name: str, conditioner: str = "conv", mask: Mask = Halves()) -> Bijection:  # noqa: B008 (no state)
    """A small coupling of images of SHAPE, with the parts of these names."""
    inputs = mask.num_channels(SHAPE[0])

    def network(params_per_channel: int) -> nn.Module:
        return CONDITIONERS.build(conditioner, inputs, params_per_channel * inputs, 8, SHAPE[1:])

    return COUPLINGS.build(name, network, mask)


REGISTRY: dict[str, Callable[[], Bijection]] = {
    "actnorm": lambda: ActNorm(4),
    "squeeze": Squeeze,
    "checkerboard": lambda: AffineTanhCoupling(ConvConditioner(4, 8, width=8), Checkerboard()),
    "checkerboard, odd": lambda: AdditiveCoupling(ConvConditioner(4, 4, width=8), Checkerboard(odd=True)),
    "checkerboard, sigmoid": lambda: AffineCoupling(ConvConditioner(4, 8, width=8), Checkerboard()),
    "logit": lambda: Chain(Bounded(), Logit()),
    "permute": lambda: Permute(torch.tensor([2, 0, 3, 1])),
    "split prior": lambda: SplitPrior(ZeroConv(2, 4)),
    "top prior": lambda: TopPrior(TopNetwork(SHAPE)),
    "top prior, fixed": lambda: TopPrior(TopNetwork(SHAPE, learned=False)),
    "top prior, conditional": Labelled,
    "step": lambda: Step(ActNorm(4), Conv1x1(4), AffineCoupling(ConvConditioner(2, 4, width=8))),
    "step, LU": lambda: Step(ActNorm(4), Conv1x1LU(4), AdditiveCoupling(ConvConditioner(2, 2, width=8))),
    "step, shuffle": lambda: Step(ActNorm(4), Shuffle(4), AffineCoupling(ConvConditioner(2, 4, width=8))),
    "step without a permutation": lambda: Step(ActNorm(4), AffineCoupling(ConvConditioner(4, 8, 8), Checkerboard())),
    "frozen step": lambda: (
        randomize(Step(ActNorm(4), Reverse(), AdditiveCoupling(ConvConditioner(2, 2, 8)))).double().freeze()
    ),
    "chain": lambda: Chain(ActNorm(4), Conv1x1(4), AffineCoupling(ConvConditioner(2, 4, width=8))),
    "chain with one layer twice": lambda: Chain(*[Reverse()] * 2),
    "chain of chains": lambda: Chain(Chain(Squeeze(), ActNorm(16)), Chain(Conv1x1LU(16))),
    "empty chain": Chain,
    "frozen conv1x1": lambda: randomize(Conv1x1LU(4)).double().freeze(),
}
REGISTRY |= {f"permutation {name}": partial(PERMUTATIONS.build, name, 4) for name in PERMUTATIONS.names}
REGISTRY |= {f"coupling {name}": partial(coupling, name) for name in COUPLINGS.names}
REGISTRY |= {f"conditioner {name}": partial(coupling, "affine-tanh", name) for name in CONDITIONERS.names}


@pytest.fixture(params=REGISTRY, name="bijection")
def _bijection(request: pytest.FixtureRequest) -> Bijection:
    torch.manual_seed(0)
    return randomize(REGISTRY[request.param]().double())


@pytest.fixture(name="x")
def _x() -> Tensor:
    return torch.randn(3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_every_bijection_is_in_the_registry() -> None:
    built = {type(module) for make in REGISTRY.values() for module in make().modules()}
    public = {getattr(bijections, name) for name in bijections.__all__}
    exported = {kind for kind in public if isinstance(kind, type)}
    abstract = {kind for kind in exported if getattr(kind, "__abstractmethods__", None)}
    masks = {kind for kind in exported if issubclass(kind, Mask)}
    assert exported - abstract - masks <= built


def test_a_coupling_says_how_many_parameters_it_takes(bijection: Bijection, x: Tensor) -> None:
    for coupling in (module for module in bijection.modules() if isinstance(module, Coupling)):
        x_a, x_b = coupling.mask.split(x)
        assert coupling.mask.num_channels(x.shape[1]) == x_a.shape[1]
        assert coupling.condition(x_a).numel() == coupling.params_per_channel * x_b.numel()


def test_a_coupling_that_does_not_say_it_is_named() -> None:
    class Wordless(Coupling):
        def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            return x_b + h, torch.zeros_like(x_b)

    built = partial(Wordless.build, None, lambda _: nn.Identity(), Halves())
    for call in (built, partial(check_contract, Wordless(nn.Identity()))):
        with pytest.raises(InputError, match=r"^Wordless doesn't define params_per_channel: how many"):
            call()


def test_shapes_and_types(bijection: Bijection, x: Tensor) -> None:
    y, log_det = bijection(x)
    assert prod(y.shape) == prod(x.shape)
    assert log_det.shape == (3,)
    assert y.dtype == log_det.dtype == torch.float64


def test_float32_gives_float32(bijection: Bijection, x: Tensor) -> None:
    y, log_det = bijection.float()(x.float())
    assert y.dtype == log_det.dtype == bijection.inverse(y).dtype == torch.float32


def test_inverse_undoes_forward(bijection: Bijection, x: Tensor) -> None:
    torch.testing.assert_close(bijection.inverse(bijection(x)[0]), x, rtol=0, atol=1e-10)


def test_forward_undoes_inverse(bijection: Bijection, x: Tensor) -> None:
    y = torch.randn_like(bijection(x)[0])
    torch.testing.assert_close(bijection(bijection.inverse(y))[0], y, rtol=0, atol=1e-10)


def test_log_det_is_that_of_the_jacobian(bijection: Bijection, x: Tensor) -> None:
    _, log_det = bijection(x)
    expected = jacobian_log_det(lambda batch: bijection(batch)[0], x)
    torch.testing.assert_close(log_det, expected, rtol=0, atol=1e-8)


def test_positions_add_up_to_log_det(bijection: Bijection, x: Tensor) -> None:
    for form in (bijection, bijection.freeze()):
        (y, log_det), (also_y, values) = form(x), form.by_position(x)
        assert values.shape == (3, 2, 6)
        torch.testing.assert_close(also_y, y, rtol=0, atol=1e-12)
        torch.testing.assert_close(values.sum((1, 2)), log_det, rtol=1e-12, atol=1e-12)
        assert form.by_position(x[:0])[1].shape == (0, 2, 6)


def test_gradients_through_forward_and_inverse(bijection: Bijection, x: Tensor) -> None:
    assert torch.autograd.gradcheck(bijection, x[:1].clone().requires_grad_())
    y = bijection(x[:1])[0].detach().requires_grad_()
    assert torch.autograd.gradcheck(bijection.inverse, y)


def test_images_of_a_batch_do_not_influence_each_other(bijection: Bijection, x: Tensor) -> None:
    changed = torch.cat([x[:1], 10 * torch.randn_like(x[1:])])
    for first, second in zip(bijection(x), bijection(changed), strict=True):
        torch.testing.assert_close(first[0], second[0], rtol=0, atol=1e-12)


def test_calling_changes_nothing(bijection: Bijection, x: Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in bijection.state_dict().items()}
    original = x.clone()
    first, second = bijection(x), bijection(x)
    bijection.inverse(first[0])
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(x, original)
    torch.testing.assert_close(bijection.state_dict(), before, rtol=0, atol=0)


def test_the_frozen_form_is_the_same_map_apart(bijection: Bijection, x: Tensor) -> None:
    frozen, (y, log_det) = bijection.freeze(), bijection(x)
    torch.testing.assert_close(frozen(x), (y, log_det), rtol=0, atol=1e-12)
    torch.testing.assert_close(frozen.inverse(y), bijection.inverse(y), rtol=0, atol=1e-12)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    randomize(bijection, std=1.0)
    torch.testing.assert_close(frozen(x), (y, log_det), rtol=0, atol=1e-12)


def test_initialize_returns_the_output_of_the_initialised_layer(bijection: Bijection, x: Tensor) -> None:
    returned = bijection.initialize(x)
    torch.testing.assert_close(returned, bijection(x)[0], rtol=0, atol=1e-10)
    assert not returned.requires_grad


@pytest.mark.parametrize("batch", [torch.zeros(2, *SHAPE), torch.full((1, *SHAPE), -0.5)], ids=["zero", "one black"])
def test_a_constant_batch_initialises_to_something_finite(bijection: Bijection, batch: Tensor) -> None:
    batch = batch.double()
    assert bijection.initialize(batch).isfinite().all()
    assert all(parameter.isfinite().all() for parameter in bijection.parameters())
    assert bijection(batch)[1].isfinite().all()


@pytest.mark.parametrize("frozen", [False, True])
def test_an_empty_batch_is_a_batch(bijection: Bijection, x: Tensor, *, frozen: bool) -> None:
    """An empty batch has the shapes of others, takes gradients, and changes nothing."""
    expected = bijection(x)
    form = bijection.freeze() if frozen else bijection
    y, log_det = form(x[:0].clone().requires_grad_())
    assert (y.shape, log_det.shape) == ((0, *expected[0].shape[1:]), (0,))
    assert form.inverse(y).shape == (0, *SHAPE)
    (form.inverse(y).sum() + log_det.sum()).backward()
    assert bijection.initialize(x[:0]).shape == y.shape
    torch.testing.assert_close(form(x), expected)
    torch.testing.assert_close(bijection(x), expected)


def test_a_singular_convolution_is_named_when_it_is_frozen() -> None:
    step = Step(ActNorm(4), Conv1x1(4), AdditiveCoupling(ConvConditioner(2, 2, width=8)))
    step.get_parameter("1.weight").data.zero_()
    with pytest.raises(InputError, match="can't be inverted"):
        step.freeze()


def test_a_layer_or_mask_of_one_s_own_has_every_method() -> None:
    assert_needed(Bijection, "forward", "inverse")
    assert_needed(Coupling, "transform")
    assert_needed(Invertible1x1, "matrix", "log_abs_det")
    assert_needed(Mask, "split", "join", "select", "num_channels")


def test_actnorm_standardises() -> None:
    x = 3 + 5 * torch.randn(16, 4, 8, 8, dtype=torch.float64)
    y = ActNorm(4).double().initialize(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-10)
    torch.testing.assert_close(y.std((0, 2, 3), unbiased=False), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-5)


def test_actnorm_follows_its_equation() -> None:
    norm, x = randomize(ActNorm(4).double()), torch.randn(2, 4, 3, 5, dtype=torch.float64)
    expected = (x + norm.bias.view(1, 4, 1, 1)) * torch.exp(3 * norm.logs).view(1, 4, 1, 1)
    torch.testing.assert_close(norm(x)[0], expected)


def halves_and_parameters(coupling: Coupling, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x[:, :2], x[:, 2:], coupling.conditioner(x[:, :2])


def test_couplings_follow_their_equations(x: Tensor) -> None:
    affine = randomize(AffineCoupling(ConvConditioner(2, 4, 8)).double())
    x_a, x_b, h = halves_and_parameters(affine, x)
    shift, s = h[:, [0, 2]], h[:, [1, 3]]
    expected = torch.cat([x_a, (x_b + shift) * torch.sigmoid(s + 2)], dim=1)
    torch.testing.assert_close(affine(x)[0], expected)
    exponential = AffineExpCoupling(affine.conditioner)
    torch.testing.assert_close(exponential(x)[0], torch.cat([x_a, x_b * s.exp() + shift], dim=1))
    additive = randomize(AdditiveCoupling(ConvConditioner(2, 2, 8)).double())
    x_a, x_b, h = halves_and_parameters(additive, x)
    torch.testing.assert_close(additive(x)[0], torch.cat([x_a, x_b + h], dim=1))


@pytest.mark.parametrize("name", COUPLINGS.names)
def test_couplings_are_differentiable_twice(name: str) -> None:
    """Second derivatives agree with differences. Some couplings have a backward pass of their own."""
    torch.manual_seed(0)
    coupled: Coupling = COUPLINGS.build(name, lambda params: nn.Conv2d(2, 2 * params, 1), Halves()).double()
    x_b = torch.randn(2, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    h = torch.randn(2, 2 * coupled.params_per_channel, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(coupled.transform, (x_b, h))
    assert torch.autograd.gradgradcheck(coupled.transform, (x_b, h))


class Summed(AffineCoupling):
    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        y_b, log_derivative = super().transform(x_b, h)
        return y_b, log_derivative.flatten(1).sum(1, keepdim=True)


class Broadcast(AffineCoupling):
    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        y_b, log_derivative = super().transform(x_b, h)
        return y_b, log_derivative[:, :1]


class Halved(AffineCoupling):
    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return super().transform(x_b, h)[0]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("kind", "outputs", "told"),
    [
        (Summed, 4, r"Summed gives \(2, 2, 2, 6\) and \(2, 1\); it should give \(2, 2, 2, 6\) and \(2, 2, 2, 6\)\."),
        (Broadcast, 4, r"Broadcast gives \(2, 2, 2, 6\) and \(2, 1, 2, 6\)"),
        (Halved, 4, r"Halved gives \(2, 2, 2, 6\); it should give \(2, 2, 2, 6\) and \(2, 2, 2, 6\)\."),
        (AffineCoupling, 6, r"PlainConditioner gives \(2, 6, 2, 6\); it should give \(2, 4, 2, 6\)\."),
    ],
)
def test_a_coupling_that_gives_a_wrong_shape_is_refused(kind: type[Coupling], outputs: int, told: str) -> None:
    wrong, x = kind(nn.Conv2d(2, outputs, 1)), torch.randn(2, *SHAPE)
    for run in (wrong, wrong.initialize):
        with pytest.raises(InputError, match=told):
            run(x)


def test_priors_follow_their_equations(x: Tensor) -> None:
    split = randomize(SplitPrior(ZeroConv(2, 4)).double())
    x_a, x_b, h = halves_and_parameters(split, x)
    expected = torch.cat([x_a, (x_b - h[:, [0, 2]]) / h[:, [1, 3]].exp()], dim=1)  # interleaved
    torch.testing.assert_close(split(x)[0], expected)
    top = randomize(TopPrior(TopNetwork(SHAPE)).double())
    h = top.network(None)
    torch.testing.assert_close(top(x)[0], (x - h[:, :4]) / h[:, 4:].exp())  # half-split


def test_lu_follows_its_equation(x: Tensor) -> None:
    lu = randomize(Conv1x1LU(4).double())
    lower = lu.lower.tril(-1) + torch.eye(4)
    kernel = lu.permutation @ lower @ (lu.upper.triu(1) + torch.diag(lu.sign * lu.log_s.exp()))
    torch.testing.assert_close(lu(x)[0], torch.einsum("bihw,io->bohw", x, kernel))  # applied to rows


def test_dense_convolution_is_a_matrix_product(x: Tensor) -> None:
    conv = Conv1x1(4).double()
    torch.testing.assert_close(conv(x)[0], torch.einsum("oi,bihw->bohw", conv.weight, x))


def test_wrong_channels_are_refused(x: Tensor) -> None:
    with pytest.raises(ValueError, match="for 1 channels; the input has 4"):
        ActNorm(1)(x)
    with pytest.raises(ValueError, match="even number of channels; the input has 3"):
        AdditiveCoupling(nn.Identity())(x[:2, :3])


def test_lu_is_the_dense_convolution_with_its_matrix() -> None:
    lu, dense = randomize(Conv1x1LU(6)).double(), Conv1x1(6).double()
    dense.weight = nn.Parameter(lu.matrix())
    x = torch.randn(2, 6, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(lu(x), dense(x))
    torch.testing.assert_close(lu.inverse(x), dense.inverse(x))


def test_lu_starts_as_a_rotation() -> None:
    matrix = Conv1x1LU(6).matrix()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-5)


def test_squeeze_orders_its_channels_as_the_original() -> None:
    y, _ = Squeeze()(torch.arange(16.0).view(1, 1, 4, 4))
    assert y[0, :, 0, 0].tolist() == [0, 1, 4, 5]  # 2 dy + dx


def test_squeeze_refuses_vectors() -> None:
    for squeeze in (Squeeze(), Squeeze().inverse):
        with pytest.raises(ValueError, match=r"takes images \(B, C, H, W\), not a tensor of shape \(2, 8\)"):
            squeeze(torch.zeros(2, 8))


def test_extreme_conditioners_stay_finite() -> None:
    class Extreme(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full((len(x), 4, *x.shape[2:]), -60.0)

    x = torch.randn(2, *SHAPE)
    y, log_det = AffineCoupling(Extreme())(x)
    assert y.isfinite().all()
    torch.testing.assert_close(log_det, torch.full((2,), -58.0 * 2 * 2 * 6))  # ln sigmoid(s) = s when s << 0


VECTORS: dict[str, Callable[[], Bijection]] = {
    name: REGISTRY[name]
    for name in ("actnorm", "permute", "logit", "frozen conv1x1", *(f"permutation {p}" for p in PERMUTATIONS.names))
}
VECTORS |= {
    f"coupling {name}": partial(COUPLINGS.build, name, lambda params: nn.Linear(2, 2 * params), Halves())
    for name in COUPLINGS.names
}
VECTORS |= {
    "split prior": lambda: SplitPrior(nn.Linear(2, 4)),
    "step": lambda: Step(ActNorm(4), Conv1x1(4), AffineCoupling(nn.Linear(2, 4))),
    "frozen step": lambda: randomize(Step(ActNorm(4), Shuffle(4), AffineCoupling(nn.Linear(2, 4)))).double().freeze(),
    "step without a permutation": lambda: Step(ActNorm(4), AdditiveCoupling(nn.Linear(2, 2))),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_mapped_as_images_of_one_pixel_are(name: str) -> None:
    torch.manual_seed(0)
    bijection, x = randomize(VECTORS[name]().double()), torch.randn(5, 4, dtype=torch.float64)
    y, log_det = bijection(x)
    torch.testing.assert_close(bijection.by_position(x), (y, log_det), rtol=0, atol=1e-12)
    torch.testing.assert_close(bijection.inverse(y), x, rtol=0, atol=1e-10)
    expected = jacobian_log_det(lambda batch: bijection(batch)[0], x)
    torch.testing.assert_close(log_det, expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(bijection.initialize(x), bijection(x)[0], rtol=0, atol=1e-10)


ANYWHERE: dict[str, Callable[[], Bijection]] = {
    name: REGISTRY[name]
    for name in ("actnorm", "permute", "logit", "frozen conv1x1", *(f"permutation {p}" for p in PERMUTATIONS.names))
}
ANYWHERE |= {
    "step": lambda: Step(ActNorm(4), Conv1x1(4), AdditiveCoupling(nn.Identity())),
    "frozen step": lambda: randomize(Step(ActNorm(4), Conv1x1LU(4), AdditiveCoupling(nn.Identity()))).double().freeze(),
}


@pytest.mark.parametrize("name", ANYWHERE)
@pytest.mark.parametrize("shape", [(6,), (2, 3, 5)], ids=["sequences", "volumes"])
def test_the_number_of_dimensions_behind_the_channels_does_not_matter(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    bijection, x = randomize(ANYWHERE[name]().double()), torch.randn(2, 4, *shape, dtype=torch.float64)
    y, log_det = bijection(x)
    as_images = bijection(x.flatten(2)[..., None])
    torch.testing.assert_close((y.flatten(2)[..., None], log_det), as_images)
    values = bijection.by_position(x)[1]
    assert values.shape == (2, *shape)
    torch.testing.assert_close(values.flatten(1).sum(1), log_det)
    torch.testing.assert_close(bijection.inverse(y), x, rtol=0, atol=1e-10)
    torch.testing.assert_close(bijection.initialize(x), bijection(x)[0], rtol=0, atol=1e-10)


def pixelwise(name: str) -> Bijection:
    """A coupling whose network sees one pixel at a time."""
    return COUPLINGS.build(name, lambda params: nn.Conv2d(2, 2 * params, 1), Halves())


PIXELWISE: dict[str, Callable[[], Bijection]] = {
    "logit": lambda: Chain(Pixelwise(), Logit()),
    "split prior": lambda: SplitPrior(nn.Conv2d(2, 4, 1)),
    "step": lambda: Step(ActNorm(4), Conv1x1(4), AffineCoupling(nn.Conv2d(2, 4, 1))),
    "frozen step": lambda: Step(ActNorm(4), Conv1x1(4), AffineCoupling(nn.Conv2d(2, 4, 1))).double().freeze(),
    **{f"coupling {name}": partial(pixelwise, name) for name in COUPLINGS.names},
}


@pytest.mark.parametrize("name", PIXELWISE)
def test_a_position_has_the_log_det_of_its_own_map(name: str, x: Tensor) -> None:
    """Where no pixel influences another, the value of a position is the log_det of this pixel alone."""
    torch.manual_seed(0)
    bijection = randomize(PIXELWISE[name]().double())
    _, values = bijection.by_position(x)
    for h, w in ((0, 0), (1, 3)):
        torch.testing.assert_close(values[:, h, w], bijection(x[:, :, h : h + 1, w : w + 1])[1])


def test_positions_of_squeezed_images_are_squares_of_pixels(x: Tensor) -> None:
    """Each 2x2 block is mapped by itself, and its pixels share its log_det equally."""
    torch.manual_seed(0)
    chain = randomize(Chain(Squeeze(), AffineCoupling(nn.Conv2d(8, 16, 1))).double())
    _, values = chain.by_position(x)
    for w in (0, 2, 4):
        expected = chain(x[:, :, :, w : w + 2])[1] / 4
        torch.testing.assert_close(values[:, :, w : w + 2], expected[:, None, None].expand(-1, 2, 2))


def test_a_checkerboard_has_values_where_pixels_change(x: Tensor) -> None:
    for odd in (False, True):
        layer = AffineCoupling(randomize(ConvConditioner(4, 8, width=8)), Checkerboard(odd=odd)).double()
        _, values = layer.by_position(x)
        rows, columns = torch.meshgrid(torch.arange(2), torch.arange(6), indexing="ij")
        changing = (rows + columns) % 2 == (0 if odd else 1)
        assert (values[:, ~changing] == 0).all()
        assert (values[:, changing] != 0).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 6), (4, 12), (1, 3), (3, 4), (5, 7)])
def test_values_on_another_grid_keep_their_sum_and_place(size: tuple[int, int]) -> None:
    values = torch.rand(3, 2, 6, dtype=torch.float64)
    found = regridded(values, size)
    assert found.shape == (3, *size)
    torch.testing.assert_close(found.sum((1, 2)), values.sum((1, 2)))
    fine = values.repeat_interleave(size[0], 1).repeat_interleave(size[1], 2) / (size[0] * size[1])
    expected = fine.unflatten(1, (size[0], 2)).unflatten(3, (size[1], 6)).sum((2, 4))
    torch.testing.assert_close(found, expected)


def test_a_layer_says_what_it_is() -> None:
    assert repr(Conv1x1(4)) == "Conv1x1(4)"
    assert repr(Conv1x1LU(4)) == "Conv1x1LU(4)"
    assert repr(ActNorm(4)) == "ActNorm(4)"
    assert repr(Shuffle(4)) == "Shuffle(4)"
    assert repr(Logit(0.125)) == "Logit(margin=0.125)"
    assert repr(Checkerboard()) == "Checkerboard(odd=False)"
    assert repr(Halves()) == "Halves()"
    coupling = AffineCoupling(ConvConditioner(4, 8, width=8), Checkerboard(odd=True))
    assert "mask=Checkerboard(odd=True)" in repr(coupling)
    assert "(conv1): EdgeConv(4, 8)" in repr(coupling)
