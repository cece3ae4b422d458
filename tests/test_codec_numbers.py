"""What the codec computes with: the stream, exact products, scales, and distributions of whole numbers."""

from collections.abc import Callable
from fractions import Fraction
from hashlib import blake2b
from math import e, log2, pi

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glowflow import InputError
from glowflow.codec import prediction
from glowflow.codec.pieces import Pieces, logit_pieces, normal_pieces, uniform_pieces
from glowflow.codec.product import EXACT, LARGEST, UNIT, Product
from glowflow.codec.reproducible import Floats, exp, log, matmul, sigmoid, tanh, triangular
from glowflow.codec.scaling import LARGEST_VALUE, OutOfRangeError, Ratios, ratios, scale, unscale
from glowflow.codec.stream import BASE, Integers, Stream

BASES = (1, 2, 3, 255, 256, 257, BASE // 2, BASE // 2 + 1, 40503, 65521, BASE - 1, BASE)
"""Among them powers of two and their neighbours, and primes."""


def heads_at_boundaries(base: int) -> Integers:
    """The smallest and largest heads, and those where a push or a pop in a base begins to move a word."""
    near = [BASE, BASE * base, BASE**2, BASE**2 // base]
    heads = np.array([value + offset for value in near for offset in (-base, -2, -1, 0, 1, 2, base)])
    return np.unique(heads[(heads >= BASE) & (heads < BASE**2)])


def state(stream: Stream) -> tuple[list[int], list[int]]:
    return stream.heads.tolist(), stream.tail.tolist()


def stream_with(heads: Integers) -> Stream:
    """A stream with some words in its tail, and these heads."""
    stream = Stream(len(heads))
    for _ in range(3):
        stream.push(np.arange(len(heads)) * 7919 % BASE, BASE)
    stream.heads = heads.copy()
    return stream


@pytest.mark.parametrize("base", BASES)
def test_a_pop_and_a_push_undo_each_other_at_the_boundaries_of_every_base(base: int) -> None:
    heads = heads_at_boundaries(base)
    bases = np.full(len(heads), base)
    stream = stream_with(heads)
    before = state(stream)
    stream.push(stream.pop(bases), bases)
    assert state(stream) == before
    for value in {0, 1 % base, base // 2, base - 1}:
        values = np.full(len(heads), value)
        stream.push(values, bases)
        assert (stream.heads >= BASE).all()
        assert (stream.heads < BASE**2).all()
        assert np.array_equal(stream.pop(bases), values)
        assert state(stream) == before


@pytest.mark.parametrize("lanes", [1, 2, 5, 64])
def test_a_stream_gives_everything_back_in_reverse(lanes: int) -> None:
    """Pushes and pops in any order, with any bases, of any number of lanes."""
    rng, stream, done = np.random.default_rng(lanes), Stream(lanes), []
    for _ in range(3000):
        count = rng.integers(1, lanes + 1)
        bases = np.where(rng.random(count) < 0.5, rng.choice(BASES, count), rng.integers(1, BASE + 1, count))
        is_push = rng.random() < 0.5
        values = rng.integers(0, bases) if is_push else stream.pop(bases)
        if is_push:
            stream.push(values, bases)
        assert ((values >= 0) & (values < bases)).all()
        done.append((values, bases, is_push))
    assert stream.borrowed
    for values, bases, is_push in reversed(done):
        if is_push:
            assert np.array_equal(stream.pop(bases), values)
        else:
            stream.push(values, bases)
    assert stream.is_initial()


def test_the_largest_base_takes_a_shortcut_to_the_same_stream() -> None:
    values = np.arange(40) * 1637 % BASE
    short, long = Stream(40), Stream(40)
    short.push(values % 777, 777)
    long.push(values % 777, 777)
    short.push(values, BASE)
    long.push(values, np.full(40, BASE))
    assert state(short) == state(long)
    assert short.pop(BASE, 40).tolist() == long.pop(np.full(40, BASE)).tolist() == values.tolist()
    assert state(short) == state(long)


def test_numbers_take_the_bits_that_they_are_worth() -> None:
    rng, stream, worth = np.random.default_rng(0), Stream(16), 0.0
    for _ in range(500):
        bases = rng.integers(1, BASE + 1, 16)
        stream.push(rng.integers(0, bases), bases)
        worth += np.log2(bases).sum()
    assert stream.bits == pytest.approx(worth, rel=1e-5)
    assert stream.bits - 16 < stream.length <= stream.bits  # of 16 lanes
    assert 8 * len(stream.to_bytes()) < worth + 33 * 16


@pytest.mark.parametrize("lanes", [1, 3, 16])
def test_a_fork_is_a_stream_of_its_own_until_it_is_adopted(lanes: int) -> None:
    """Beside it, `same` does the same without a fork. Some forks take everything off that the stream has, and more."""
    rng, stream, same = np.random.default_rng(lanes), Stream(lanes, b"content"), Stream(lanes, b"content")
    for _ in range(100):
        fork, before = stream.fork(), state(stream)
        assert (fork.length, fork.bits) == (stream.length, stream.bits)
        is_adopted = rng.random() < 0.6
        for _ in range(rng.integers(1, 20)):
            bases, is_push = rng.integers(1, BASE + 1, int(rng.integers(1, lanes + 1))), rng.random() < 0.5
            values = rng.integers(0, bases)
            for each in (fork, same) if is_adopted else (fork,):
                each.push(values, bases) if is_push else each.pop(bases)
        assert state(stream) == before
        if is_adopted:
            assert (fork.length, fork.bits) == (same.length, same.bits)
            stream.adopt(fork)
        assert state(stream) == state(same)
        assert stream.borrowed == same.borrowed
    assert stream.borrowed


@pytest.mark.parametrize("pops", [0, 1, 3, 9])
def test_a_stream_may_begin_with_content(pops: int) -> None:
    """A part of it is popped, or all of it and more that is borrowed."""
    content = b"eleven bytes"[:11]
    stream = Stream(4, content)
    popped = [stream.pop(np.array([BASE, 300])) for _ in range(pops)]
    stream.push(np.array([7]), 5000)
    assert stream.initial_content(11) is None
    stream.pop(np.array([5000]))
    for values in popped[::-1]:
        stream.push(values, np.array([BASE, 300]))
    assert bool(stream.borrowed) == (pops == 9)
    assert stream.initial_content(11) == content
    assert stream.initial_content(9) is None
    assert not stream.is_initial()


def test_a_stream_comes_back_from_bytes() -> None:
    stream = stream_with(heads_at_boundaries(3))
    lanes = len(stream.heads)
    assert state(Stream.from_bytes(stream.to_bytes(), lanes)) == state(stream)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\0" * 7, "can't have 7 bytes"),
        (b"\1" * 9, "can't have 9 bytes"),
        (b"\0" * 8, "head of a stream is too small"),
        (b"\1" * 8, "ends too early"),
    ],
)
def test_bytes_that_are_no_stream_are_refused(data: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Stream.from_bytes(data, lanes=2).pop(BASE, 2)


def test_functions_are_right() -> None:
    x = np.concatenate([np.linspace(-30, 30, 2001), [-80.0, 80.0, 1e-300, -0.0]])
    np.testing.assert_allclose(exp(x), np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(sigmoid(x), 1 / (1 + np.exp(-x)), rtol=1e-14)
    np.testing.assert_allclose(tanh(x), np.tanh(x), atol=1e-15)
    np.testing.assert_allclose(log(np.exp(x[:100])), x[:100], rtol=1e-14)
    assert exp(np.array([-1e9, 1e9])) == pytest.approx([np.exp(-80.0), np.exp(80.0)])


def test_functions_give_the_same_bits_as_on_every_other_machine() -> None:
    x = np.arange(-20000, 20000) / 1024
    bits = np.concatenate([exp(x), sigmoid(x), tanh(x), log(np.arange(1, 300) / 300)]).astype("<f8").tobytes()
    assert blake2b(bits, digest_size=8).hexdigest() == "c50c8801af57479a"


def test_matrices_are_multiplied_and_decomposed() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 5)), rng.normal(size=(5, 5))
    np.testing.assert_allclose(matmul(a, b), a @ b, atol=1e-14)
    order, lower, upper, diagonal = triangular(a)
    one = np.eye(5)
    np.testing.assert_allclose((lower + one) @ (upper + one) @ np.diag(diagonal), a[order], atol=1e-13)
    assert np.abs(lower).max() <= 1
    assert not np.triu(lower).any()
    assert not np.tril(upper).any()


@pytest.mark.parametrize("matrix", [np.zeros((2, 2)), np.ones((3, 3)), np.full((2, 2), np.nan)])
def test_a_singular_matrix_is_refused(matrix: Floats) -> None:
    with pytest.raises(InputError, match="can't be inverted"):
        triangular(matrix)


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 30.0, 1e5])
def test_a_product_is_exact_whatever_comes(size: float) -> None:
    """It equals the product of Python's whole numbers, which have no largest one, for the largest inputs too."""
    rng = np.random.default_rng(0)
    product = Product(size * rng.normal(size=(7, 300)), size * rng.normal(size=7))
    x = rng.integers(-LARGEST, LARGEST, size=(300, 12), endpoint=True)
    x[:, 0], x[:, 1], x[:, 2] = LARGEST, -LARGEST, LARGEST * np.sign(product.weight[0].numpy())
    units = (product.weight, product.bias - 0.5)
    weight, bias = ((2**product.shift * part).numpy().astype(np.int64).astype(object) for part in units)
    sums = weight @ x.astype(object) + bias
    assert abs(sums).max() < EXACT
    expected = [[(2 * int(total) + (1 << product.shift)) // (2 << product.shift) for total in line] for line in sums]
    assert product(torch.from_numpy(x)).tolist() == expected


def test_a_product_is_the_product() -> None:
    rng = np.random.default_rng(0)
    weight, bias, x = rng.normal(size=(4, 50)), rng.normal(size=4), rng.normal(size=(50, 9))
    whole = torch.from_numpy(np.rint(x * UNIT).astype(np.int64))
    np.testing.assert_allclose(
        Product(weight, bias)(whole).numpy() / UNIT, weight @ (whole.numpy() / UNIT) + bias[:, None], atol=0.6 / UNIT
    )


def test_what_enters_a_product_is_limited() -> None:
    far = torch.tensor([[5 * LARGEST, -5 * LARGEST, 2**60]])
    assert Product(np.array([[1.0]]))(far).tolist() == [[LARGEST, -LARGEST, LARGEST]]


@pytest.mark.parametrize(
    ("weight", "told"), [(np.inf, "aren't finite"), (np.nan, "aren't finite"), (1e30, "too large")]
)
def test_weights_that_cannot_be_represented_are_refused(weight: float, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Product(np.array([[weight]]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(st.data())
def test_a_scale_is_undone_exactly(data: st.DataObject) -> None:
    number = st.integers(-LARGEST_VALUE, LARGEST_VALUE) | st.integers(-5, 5)
    x = np.array(data.draw(st.lists(number, min_size=1, max_size=12)))
    part = st.sampled_from(BASES) | st.integers(1, BASE)
    by = Ratios(*(np.array([data.draw(part) for _ in x]) for _ in range(2)))
    stream = Stream(lanes=4)
    y = scale(x, by, stream)
    for value, scaled, numerator, denominator in zip(x.tolist(), y.tolist(), *(a.tolist() for a in by), strict=True):
        factor = Fraction(numerator, denominator)
        assert value * factor - 1 < scaled < (value + 1) * factor
    assert np.array_equal(unscale(y, by, stream), x)
    assert stream.is_initial()


def test_a_scale_costs_its_logarithm() -> None:
    scales = exp(np.random.default_rng(0).normal(size=20000))
    x = np.random.default_rng(1).integers(-(10**6), 10**6, 20000)
    stream = Stream(lanes=64)
    y = scale(x, ratios(scales), stream)
    assert stream.bits == pytest.approx(-np.log2(scales).sum(), abs=0.001 * len(x))
    np.testing.assert_allclose(y, x * scales, rtol=2e-3, atol=40)


def test_numbers_that_are_too_large_to_be_scaled_are_refused() -> None:
    for far in (LARGEST_VALUE + 1, -LARGEST_VALUE - 1, -(2**63)):
        with pytest.raises(OutOfRangeError):
            scale(np.array([far]), ratios(np.ones(1)), Stream(1))


IMAGES: dict[str, Callable[[np.random.Generator], Integers]] = {
    "noise": lambda rng: rng.integers(0, 256, (3, 3, 5, 7)),
    "colour": lambda rng: (rng.normal(0, 2, (2, 3, 6, 4)).cumsum(3) + 128).astype(np.int64) % 256,
    "one column": lambda _: np.arange(12).reshape(1, 2, 6, 1) * 20,
    "one row": lambda _: np.arange(12).reshape(1, 2, 1, 6) * 20,
    "constant": lambda _: np.full((2, 1, 8, 8), 255),
    "two levels": lambda rng: rng.integers(0, 2, (2, 1, 8, 8)),
    "steep": lambda _: np.indices((1, 1, 16, 16)).sum(0) % 2 * 255,
}


@pytest.mark.parametrize("lanes", [1, 3, 100])
@pytest.mark.parametrize("name", IMAGES)
def test_predicted_images_come_back_and_take_the_bits_that_they_say(name: str, lanes: int) -> None:
    levels = IMAGES[name](np.random.default_rng(0))
    count, *shape = levels.shape
    for num_bits in (8, 1) if name == "two levels" else (8,):
        stream, images = Stream(lanes), prediction.Predicted(levels, num_bits)
        before = stream.bits
        images.push(stream)
        assert stream.bits - before == pytest.approx(images.length, abs=1 + 0.001 * levels.size)
        found = prediction.pop(count, (shape[0], shape[1], shape[2]), num_bits, stream)
        assert np.array_equal(found, levels)
        assert stream.is_initial()


def test_plain_images_take_few_bits_without_a_model_and_noise_no_more_than_its_values() -> None:
    i, j = np.indices((32, 32))
    grey = 60 + i // 9 * 20 + j // 9 * 30
    plain, coloured = grey[None, None], np.stack([grey, grey + 20, grey])[None]
    assert prediction.Predicted(plain, 8).length < plain.size
    assert prediction.Predicted(coloured, 8).length < 1.5 * prediction.Predicted(plain, 8).length
    noise = IMAGES["noise"](np.random.default_rng(0))
    assert prediction.Predicted(noise, 8).length < 8.1 * noise.size + 24


PIECES = {
    "normal": normal_pieces(),
    "uniform, 8 bits": uniform_pieces(8),
    "uniform, 1 bit": uniform_pieces(1),
    "logit": logit_pieces(8, 0.9),
    "logit, 5 bits, narrow margin": logit_pieces(5, 1 - 2e-6),
    "logit, 8 bits, narrow margin": logit_pieces(8, 1 - 2e-6),
}


@pytest.fixture(name="pieces", params=PIECES)
def _pieces(request: pytest.FixtureRequest) -> Pieces:
    return PIECES[request.param]


def test_frequencies_add_up(pieces: Pieces) -> None:
    assert pieces.frequencies.min() >= 1
    assert (np.bincount(pieces.levels, pieces.frequencies) == BASE).all()
    assert pieces.widths.min() >= 1
    assert (np.diff(pieces.levels) >= 0).all()


@pytest.mark.parametrize("count", [450, 1000, 3000, 1 << 16])
@pytest.mark.parametrize("spread", [0.0, 0.01, 100.0])
def test_frequencies_of_many_pieces_stay_in_proportion(count: int, spread: float) -> None:
    """Each of many equal masses is rounded up, for example, so together they are too many."""
    masses = 1 + spread * np.random.default_rng(0).random(count)
    pieces = Pieces(np.arange(count + 1), np.zeros(count, np.int64), masses)
    ideal = BASE * masses / masses.sum()
    assert pieces.frequencies.sum() == BASE
    assert (pieces.frequencies >= np.maximum(np.floor(ideal / 2) - 1, 1)).all()
    stream, v = Stream(lanes=64), np.zeros(500, np.int64)
    assert np.array_equal(pieces.undraw(pieces.draw(v, stream), stream), v)
    assert stream.is_initial()
    y = np.arange(count)
    assert np.array_equal(pieces.draw(pieces.undraw(y, stream), stream), y)
    assert stream.is_initial()


def test_a_margin_that_leaves_values_no_room_is_refused() -> None:
    assert logit_pieces(8, 0.1).widths.min() >= 1
    with pytest.raises(InputError, match="so large a margin"):
        logit_pieces(8, 0.001)


def test_drawn_numbers_belong_to_their_levels_and_are_given_back(pieces: Pieces) -> None:
    v = np.random.default_rng(0).integers(0, pieces.levels[-1] + 1, 3000)
    v[:2] = 0, pieces.levels[-1]
    stream = Stream(lanes=64)
    y = pieces.draw(v, stream)
    assert len(set(y.tolist())) > 10
    assert np.array_equal(pieces.undraw(y, stream), v)
    assert stream.is_initial()


def test_every_number_can_be_given_to_the_stream(pieces: Pieces) -> None:
    """Also the first and the last number of each piece, which are the ones that a wrong bound would lose."""
    y = np.concatenate([pieces.starts, pieces.starts + pieces.widths - 1])
    stream = Stream(lanes=64)
    v = pieces.undraw(y, stream)
    assert np.array_equal(v, np.tile(pieces.levels, 2))
    assert np.array_equal(pieces.draw(v, stream), y)
    assert stream.is_initial()


def test_normal_numbers_take_the_bits_of_the_normal_distribution() -> None:
    z = np.random.default_rng(0).normal(size=100000)
    stream = Stream(lanes=64)
    normal_pieces().undraw(np.rint(z * UNIT).astype(np.int64), stream)
    ideal = log2(UNIT) + 0.5 * log2(2 * pi) + 0.5 * log2(e) * np.square(z).mean()
    assert stream.bits / len(z) == pytest.approx(ideal, abs=0.001)


@pytest.mark.parametrize("margin", [0.05, 1e-5])
def test_logits_are_uniform_within_the_bins_of_pixels(margin: float) -> None:
    """They have the distribution of logits of uniform numbers, and take as many bits as the derivative says."""
    slope, count = 1 - 2 * margin, 40000
    for level in (0, 1, 100, 255):
        stream = Stream(lanes=64)
        y = logit_pieces(8, slope).draw(np.full(count, level), stream) / UNIT
        x = (sigmoid(y) - 0.5) / slope
        position = (x + 0.5) * 256 - level
        assert np.abs(np.sort(position) - (np.arange(count) + 0.5) / count).max() < 0.02
        log_derivative = np.log(slope) - np.log(sigmoid(y)) - np.log(sigmoid(-y))
        assert -stream.bits / count == pytest.approx((log2(UNIT) - 8) + log_derivative.mean() / np.log(2), abs=0.005)
