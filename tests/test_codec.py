"""Images that a model has compressed come back exactly, take the bits that they should, and are refused if damaged."""

import os
import subprocess
import sys
import tracemalloc
from hashlib import blake2b
from math import log, prod
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.compression import measure, measure_codec, mosaic
from benchmarks.compression_report import rows
from glowflow import Glow, GlowConfig, InputError
from glowflow.codec import IntegerModel, compress, decompress
from glowflow.codec.block import Way, packed, unpacked
from glowflow.codec.compression import CHECKSUM, HEADER, MAGIC
from glowflow.codec.prediction import Predicted
from glowflow.codec.stream import Stream
from glowflow.images import quantize
from tests.helpers import randomize

LOGIT = {"kind": "glow", "logit": True}
CONFIGS: dict[str, dict[str, Any]] = {
    "additive": {"coupling": "additive"},
    "affine, dense": {"coupling": "affine", "layout": LOGIT},
    "LU, narrow margin": {"permutation": "conv1x1-lu", "layout": LOGIT | {"margin": 1e-5}, "image_shape": (1, 8, 12)},
    "three levels": {"levels": 3, "num_bits": 5},
    "one level": {"levels": 1, "num_bits": 1, "image_shape": (5, 2, 4)},
    "shuffle": {"permutation": "shuffle", "conditioner": {"kind": "conv", "last": 1}},
    "reverse": {"permutation": "reverse", "coupling": "affine-exp", "learn_top": False},
    "tanh": {"coupling": "affine-tanh", "num_bits": 3, "layout": LOGIT},
    "RealNVP": {"layout": {"kind": "realnvp", "logit": True}, "coupling": "affine-tanh"},
    "classes": {"num_classes": 3},
    "classes, unlearned": {"num_classes": 2, "learn_top": False, "layout": LOGIT},
}


def made(*, is_fresh: bool = False, **settings: object) -> Glow:
    torch.manual_seed(0)
    model = Glow(GlowConfig(**{"image_shape": (3, 8, 8), "levels": 2, "steps": 2, "width": 8, **settings}))  # type: ignore[arg-type]
    return model if is_fresh else randomize(model, 0.1)


def drawn(model: Glow, count: int) -> Tensor:
    """Images of a model's shape, of several kinds."""
    rng = np.random.default_rng(count)
    shape = model.config.image_shape
    kinds = [
        rng.integers(0, 256, shape),
        np.zeros(shape),
        np.full(shape, 255),
        np.indices(shape).sum(0) % 2 * 255,
        np.broadcast_to(np.linspace(0, 255, shape[2]), shape),
        rng.normal(128, 5, shape),
    ]
    images = np.stack([kinds[index % len(kinds)] for index in range(count)]) if count else np.empty((0, *shape))
    return quantize(images.astype(np.uint8), model.config.num_bits)


@pytest.fixture(name="model", params=CONFIGS)
def _model(request: pytest.FixtureRequest) -> Glow:
    return made(**CONFIGS[request.param])


def test_images_come_back(model: Glow) -> None:
    integers = IntegerModel(model)
    for count in (0, 1, 7):
        images = drawn(model, count)
        found = decompress(integers, compress(integers, images))
        assert found.dtype == torch.uint8
        assert torch.equal(found, images)


def test_it_computes_on_the_cpu_whatever_the_default_device(model: Glow) -> None:
    images = drawn(model, 3)
    data = compress(model, images)
    with torch.device("meta"):
        assert compress(model, images) == data
        assert torch.equal(decompress(model, data), images)


def test_any_number_of_images_may_go_together(model: Glow) -> None:
    integers, images = IntegerModel(model), drawn(model, 20)
    for way in (Way(1, 1024), Way(3, 20), Way(16, 50)):
        found, content = unpacked(integers, packed(integers, images, way), 20, way)
        assert torch.equal(found, images)
        assert content == b""


def test_more_images_go_together_the_more_there_are() -> None:
    assert [Way.of(count, 784).together for count in (0, 1, 63, 64, 511, 512, 10**9)] == [1, 1, 1, 2, 15, 16, 16]
    assert [Way.of(count, 784).lanes for count in (0, 1, 100, 1000, 10000, 10**9)] == [8, 8, 19, 191, 1024, 1024]


@pytest.mark.parametrize(("together", "count"), [(1, 0), (1, 100), (3, 95), (3, 200), (16, 1000), (16, 100_000)])
def test_a_group_borrows_from_many_before_it(together: int, count: int) -> None:
    sizes = Way(together, 8).sizes(count)
    before = np.cumsum([0, *sizes])
    assert before[-1] == count
    assert all(1 <= size <= max(1, done // 32) for size, done in zip(sizes, before[:-1], strict=True))
    assert max(sizes, default=1) == min(together, max(1, count // 32))


def test_few_bytes_for_many_images_are_refused_without_counting_them() -> None:
    model = IntegerModel(made())
    tracemalloc.start()
    with pytest.raises(InputError, match=r"100 bytes can't hold [\d,]+ images"):
        unpacked(model, bytes(100), 1_000_000, Way(1, 8))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1_000_000


def test_content_comes_back_and_takes_hardly_any_room() -> None:
    """The images use its bits. What they don't use takes as many bytes as it has."""
    images = (128 + 5 * torch.randn(40, 3, 8, 8)).to(torch.uint8)
    model = made(is_fresh=True)
    model.initialize(model.dequantized(images, torch.rand(images.shape))[0])
    integers = IntegerModel(model)
    content = np.random.default_rng(0).bytes(20_001)
    bare = len(packed(integers, images, Way(1, 16)))
    for length in (1, 50, 100, 20_001):
        way = Way(1, 16, length)
        data = packed(integers, images, way, content[:length])
        found, rest = unpacked(integers, data, 40, way)
        assert torch.equal(found, images)
        assert rest == content[:length]
        assert len(data) < bare + length * (0.7 if length <= 100 else 1)


def test_only_images_that_go_together_are_in_memory_as_larger_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    integers, images, counts = IntegerModel(made()), drawn(made(), 7), []
    levels_of = integers.levels_of

    def counted(group: Tensor) -> Tensor:
        counts.append(len(group))
        return levels_of(group)

    monkeypatch.setattr(integers, "levels_of", counted)
    monkeypatch.setattr("glowflow.codec.block.BEFORE", 1)
    packed(integers, images, Way(3, 16))
    assert counts == [1, 1, 2, 3]


def test_progress_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glowflow.codec.block.BEFORE", 1)
    model, images, told = IntegerModel(made()), drawn(made(), 7), []
    data = packed(model, images, Way(3, 16), advance=lambda *numbers: told.append(numbers))
    counts, lengths = zip(*told, strict=True)
    assert counts == (1, 1, 2, 3)
    assert lengths[0] < lengths[1] < lengths[2] < lengths[3] <= 8 * len(data) < lengths[3] + 800
    done: list[int] = []
    unpacked(model, data, 7, Way(3, 16), done.append)
    assert done == [3, 2, 1, 1]


def test_few_images_take_about_as_many_bytes_as_without_the_model() -> None:
    """Smooth ones, which a model without training doesn't know."""
    i, j = np.indices((16, 16))
    images = np.stack([100 + k * i + j for k in range(5)]).astype(np.uint8)[:, None]
    model = made(is_fresh=True, image_shape=(1, 16, 16))
    predicted = sum(Predicted(image[None].astype(np.int64), 8).length for image in images)
    assert len(compress(model, images)) < predicted / 8 + 100 < images.size / 2


def test_images_come_back_through_the_model_itself(model: Glow) -> None:
    """`compress` leaves images that are too unlikely to the plain form. The model can code them, too."""
    integers, stream, images = IntegerModel(model), Stream(lanes=50), drawn(model, 12)
    for group in images.split(5):
        integers.push(integers.levels_of(group), stream)
    found = [integers.images_of(integers.pop(count, stream)) for count in (2, 5, 5)]
    assert torch.equal(torch.cat(found[::-1]), images)
    assert stream.is_initial()


@torch.no_grad()
@pytest.mark.parametrize("is_fresh", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_images_take_the_bits_that_the_model_says(name: str, *, is_fresh: bool) -> None:
    """The images are samples of the model. Unlikely ones may take fewer bits."""
    model = made(is_fresh=True, **CONFIGS[name])
    if not is_fresh:
        randomize(model, 0.03)
    y = torch.arange(200) % model.config.num_classes if model.config.num_classes else None
    images = quantize(model.sample(200, 0.8, y), model.config.num_bits)
    integers, stream = IntegerModel(model), Stream(lanes=500)
    integers.push(integers.levels_of(images), stream)
    assert stream.bits / images.numel() == pytest.approx(bits_per_dim(model, images), rel=0.01)


def bits_per_dim(model: Glow, images: Tensor) -> float:
    """The mean over draws of the noise. With classes, all are equally likely, and an image may be of any of them."""
    classes: list[Tensor | None] = [torch.full((len(images),), label) for label in range(model.config.num_classes)]
    nats = -log(2) * images[0].numel()
    draws = []
    for _ in range(5):
        noise = torch.rand(images.shape)
        of_classes = torch.stack([nats * model.bits_per_dim(images, noise, y) for y in classes or [None]])
        draws.append((of_classes.logsumexp(0) - log(len(of_classes))) / nats)
    return torch.stack(draws).mean().item()


def test_likely_images_take_few_bytes() -> None:
    """Black images under a model that has seen only these, by its initialisation."""
    model = made(is_fresh=True, layout=LOGIT | {"margin": 1e-5}, coupling="additive")
    images = torch.zeros(200, 3, 8, 8, dtype=torch.uint8)
    model.initialize(model.dequantized(images, torch.rand(images.shape))[0])
    assert len(compress(model, images)) < 0.7 * images.numel()


def test_images_that_leave_the_range_are_kept_without_the_model() -> None:
    model = made(steps=6)
    for name, parameter in model.named_parameters():
        if name.endswith("0.logs"):
            parameter.data.fill_(3.6)
    images = drawn(model, 70)
    data = compress(model, images)
    assert torch.equal(decompress(model, data), images)
    assert len(data) < images.numel()
    with pytest.raises(ArithmeticError):
        IntegerModel(model).push(images.long(), Stream(lanes=50))


def test_no_images_take_much_more_than_their_values() -> None:
    model = made()
    images = torch.randint(256, (400, 3, 8, 8), dtype=torch.uint8)
    assert len(compress(model, images)) < 1.03 * images.numel() + 300


def test_arrays_and_any_layout_of_memory_give_the_same_bytes() -> None:
    model = made()
    integers, images = IntegerModel(model), drawn(model, 9)
    data = compress(model, images)
    assert (
        compress(integers, images.numpy()) == compress(integers, images.to(memory_format=torch.channels_last)) == data
    )
    assert torch.equal(decompress(integers, data), images)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (torch.zeros(2, 3, 8, 8), r"are torch.float32 \(2, 3, 8, 8\); this model codes torch.uint8 \(N, 3, 8, 8\)"),
        (torch.zeros(2, 3, 8, 6, dtype=torch.uint8), r"\(2, 3, 8, 6\)"),
        (torch.full((2, 3, 8, 8), 9, dtype=torch.uint8), "aren't multiples of 8"),
    ],
)
def test_other_images_are_refused(images: Tensor, told: str) -> None:
    with pytest.raises(InputError, match=told):
        compress(made(num_bits=5), images)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"dequantizer": "variational"}, "VariationalDequantizer"),
        ({"coupling": "mixture"}, "MixtureCoupling"),
        ({"conditioner": "residual"}, "ResidualConditioner"),
    ],
)
def test_a_model_that_cannot_code_images_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=f"{told}.* can't code images"):
        IntegerModel(made(**settings))


def test_a_frozen_model_is_refused() -> None:
    with pytest.raises(InputError, match="give the model that it is made from"):
        IntegerModel(made().freeze())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("name", ["levels.0.1.0.bias", "levels.0.1.0.logs", "levels.0.1.2.conditioner.conv2.weight"])
def test_a_model_whose_weights_cannot_be_represented_is_refused(name: str, value: float) -> None:
    model = made()
    model.get_parameter(name).data.view(-1)[0] = value
    with pytest.raises(
        InputError, match=r"(aren't finite|too large|too far|can't be inverted).*, so .* can't code images"
    ):
        IntegerModel(model)


def test_another_model_is_refused_by_its_digest() -> None:
    model, other = made(), made()
    images = drawn(model, 3)
    data = compress(model, images)
    other.get_parameter("levels.0.1.2.conditioner.conv2.weight").data[0, 0] += 1e-4
    with pytest.raises(InputError, match=f"{IntegerModel(model).digest.hex()}; this one's is"):
        decompress(other, data)


def test_more_images_than_fit_into_memory_are_refused() -> None:
    """Bytes that say so, with a checksum that is right."""
    model = IntegerModel(made())
    header = HEADER.pack(MAGIC, model.digest, 2**32 - 1, 16, 8, 0)
    data = header + CHECKSUM.pack(crc32(header))
    with pytest.raises(InputError, match=r"4,294,967,295 images of shape .* 1,073,741,824 values are the most"):
        decompress(model, data)


def test_bytes_that_are_too_many_are_refused() -> None:
    """With a checksum that is right. No image takes so many."""
    model, images = IntegerModel(made()), drawn(made(), 2)
    data = compress(model, images)
    header, block = data[: HEADER.size], data[HEADER.size + CHECKSUM.size :] + bytes(2 * images.numel())
    with pytest.raises(InputError, match="2 images of this model can't take"):
        decompress(model, header + CHECKSUM.pack(crc32(block, crc32(header))) + block)


def test_damage_is_found() -> None:
    model = IntegerModel(made())
    rng, data = np.random.default_rng(0), compress(model, drawn(made(), 6))
    for _ in range(100):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        with pytest.raises(InputError):
            decompress(model, bytes(damaged))
    for length in (0, 1, 30, len(data) // 2, len(data) - 1):
        with pytest.raises(InputError):
            decompress(model, data[:length])


def test_the_benchmark_compares_an_archive_with_the_likelihood_and_with_codecs(tmp_path: Path) -> None:
    model, data = str(Path(__file__).parent / "data" / "archive" / "model"), str(tmp_path / "images.npz")
    k, i, j = np.indices((300, 8, 8))
    images = (100 + 3 * i + 2 * j + k % 7 + (i * j * k) % 5).astype(np.uint8)[..., None]
    np.savez(data, images=images)
    settings: dict[str, Any] = {"model": model, "data": data, "images": 20}
    lines = [settings | {"block": 9} | measure(**settings, block=9)]
    ways = [{"codec": "PNG", "arrangement": way} for way in ("files", "mosaic")]
    lines += [settings | way | measure_codec(**(settings | way)) for way in ways]
    bits, size = lines[0]["bits_per_dim"], lines[0]["bytes"]
    assert bits["stream"] == pytest.approx(bits["likelihood_of_streamed"], rel=0.05)
    assert bits["stream"] < bits["archive"] == 8 * size["archive"] / (20 * 64)
    assert 0 < size["names"] < size["blocks"] < size["archive"] - size["names"]
    assert lines[1]["bytes"] > 2 * lines[2]["bytes"]  # each file has a header
    (row,) = rows(lines)
    assert f"| 20 | {bits['likelihood']:.3f} |" in row
    less = 1 - size["archive"] / lines[1]["bytes"]
    assert f"{lines[1]['bits_per_dim']:.3f} (PNG), {less:.0%} less" in row


def test_images_stand_in_a_mosaic_row_by_row() -> None:
    images = np.arange(5 * 2 * 3 * 1).reshape(5, 2, 3, 1).astype(np.uint8)
    found = mosaic(images)
    assert found.shape == (4, 9, 1)
    assert np.array_equal(found[2:, 3:6], images[4])
    assert not found[2:, 6:].any()


FORMULA = """
import torch
from glowflow import Glow, GlowConfig
from glowflow.codec import IntegerModel
from glowflow.codec.compression import CHECKSUM, HEADER, MAGIC
from glowflow.codec.prediction import Predicted
from glowflow.codec.stream import Stream

config = GlowConfig((3, 8, 8), levels=2, steps=2, width=40, coupling="affine", layout={"kind": "glow", "logit": True})
model = Glow(config)
for index, (name, parameter) in enumerate(sorted(model.state_dict().items())):
    numbers = (torch.arange(parameter.numel()) * 7919 + 17 * index) % 2001 - 1000
    parameter.copy_(numbers.view(parameter.shape) / 8000)
    if parameter.ndim == 2:
        parameter += torch.eye(len(parameter))
images = (torch.arange(20 * 192) * 40503 // 65536 % 256).view(20, 3, 8, 8).to(torch.uint8)
"""
GOLDEN = "2f66b0b8ccb49aef"
"""A digest. If it changes, files of older versions can't be read any more."""


GOLDEN_BY_CONFIG = {
    "additive": "743918b479b921fd",
    "affine, dense": "9f4534069155993f",
    "LU, narrow margin": "78bb9186779edabe",
    "three levels": "15dcc53c21607a22",
    "one level": "bf6cfaa4578c7c49",
    "shuffle": "d311a7912ee3b351",
    "reverse": "91bec3f2996952ac",
    "tanh": "dc824c003988ceaa",
    "RealNVP": "e7c48d63b48ce517",
    "classes": "01f59338957af085",
    "classes, unlearned": "046782ada1d10931",
}
"""The same for each of the models above, whose weights a formula makes."""


@torch.no_grad()
def formulated(settings: dict[str, Any]) -> Glow:
    """A model without random numbers, whose convolutions and permutations can be inverted."""
    model = made(is_fresh=True, **settings)
    for index, (name, values) in enumerate(sorted(model.state_dict().items())):
        numbers = (torch.arange(values.numel()) * 7919 + 17 * index) % 2001 - 1000
        is_matrix = values.ndim == 2 and len(values) == values.shape[1]
        if name.endswith("permutation"):
            values.copy_((torch.eye(len(values)) if is_matrix else torch.arange(len(values))).roll(1, 0))
        elif name.endswith("sign"):
            values.fill_(1)
        else:
            values.copy_(numbers.view(values.shape) / 8000 + (torch.eye(len(values)) if is_matrix else 0))
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_every_part_gives_the_same_bytes_for_ever(name: str) -> None:
    """Three images at a time, through the model itself, and as a block."""
    model = formulated(CONFIGS[name])
    integers, shape = IntegerModel(model), model.config.image_shape
    numbers = torch.arange(20 * prod(shape)) * 40503 // 65536 % 256
    images, stream = quantize(numbers.view(20, *shape).to(torch.uint8), model.config.num_bits), Stream(lanes=20)
    for group in images.split(3):
        integers.push(integers.levels_of(group), stream)
    data = integers.digest + stream.to_bytes() + packed(integers, images, Way(3, 20, 7), b"content")
    assert blake2b(data, digest_size=8).hexdigest() == GOLDEN_BY_CONFIG[name]


def run(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", FORMULA + code]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment).stdout


@pytest.mark.parametrize(
    "environment",
    [
        {"OMP_NUM_THREADS": "2"},
        {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
        {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "Nehalem"},
    ],
)
def test_every_machine_gives_the_same_bytes(environment: dict[str, str]) -> None:
    """The same digest of the model, and the same stream, which comes back."""
    found = run(
        "integers, stream = IntegerModel(model), Stream(lanes=100)\n"
        "levels = integers.levels_of(images)\n"
        "integers.push(levels, stream)\n"
        "print(integers.digest.hex(), stream.to_bytes().hex())\n"
        "assert torch.equal(integers.pop(len(levels), stream), levels) and stream.is_initial()\n",
        **environment,
    )
    assert blake2b(found.encode(), digest_size=8).hexdigest() == GOLDEN
