"""Imported PyTorch models compute what their code did (tools/record_pytorch_glows.py), and bad files are refused."""

import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from glowflow import Glow
from glowflow.errors import InputError
from glowflow.images import bits_per_dim, quantize
from glowflow.importers import rosinality, torch_checkpoint, y0ast
from tests import foreign_weights

DATA = Path(__file__).parent / "data"
CASES = {
    (base, name): case
    for base in ("rosinality", "y0ast")
    for name, case in json.loads((DATA / f"{base}.json").read_text())["cases"].items()
}
LU, MIXED = ("rosinality", "affine, LU"), ("rosinality", "affine, dense and LU")
DENSE, CLASSES, REVERSE = (
    ("y0ast", "affine, dense, fixed top"),
    ("y0ast", "additive, dense, classes"),
    ("y0ast", "affine, reverse"),
)
Key = tuple[str, str]


@cache
def recorded_weights(key: Key) -> dict[str, Tensor]:
    case = CASES[key]
    return {name: torch.from_numpy(value) for name, value in foreign_weights.fill(case["shapes"], case["seed"]).items()}


def weights(key: Key, name: str, value: Tensor | None) -> dict[str, Tensor]:
    """The weights of a case with one changed, added, or left out where None."""
    others = {other: tensor for other, tensor in recorded_weights(key).items() if other != name}
    return others if value is None else {**others, name: value}


def to_glow(key: Key, tensors: dict[str, Tensor] | None = None) -> Glow:
    tensors, (base, name) = tensors or recorded_weights(key), key
    if base == "rosinality":
        _, height, width = CASES[key]["image"]
        return rosinality.to_glow(tensors, (height, width), CASES[key]["num_bits"])
    return y0ast.to_glow(tensors, permutation="reverse" if "reverse" in name else None)


def inputs(key: Key) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images, uint8; continuous images, float64; labels."""
    case = CASES[key]
    num_images, num_classes, bits = len(case["bits_per_dim"]), case.get("num_classes", 0), case["num_bits"]
    arrays = foreign_weights.images((num_images, *case["image"]), case["seed"], num_classes)
    images, noise, labels = map(torch.from_numpy, arrays)
    x = ((images >> (8 - bits)).double() + noise) / 2**bits - 0.5
    return images, x, labels if num_classes else None


def recorded(key: Key, what: str) -> Tensor:
    return torch.tensor(CASES[key][what], dtype=torch.float64)


def refusal(function: Callable[..., object], *args: object) -> str:
    """The sentence of a refusal."""
    with pytest.raises(InputError) as caught:
        function(*args)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert ". " not in sentence
    return sentence


@pytest.mark.parametrize("key", CASES, ids="-".join)
class TestSameFunction:
    def test_bits_per_dim(self, key: Key) -> None:
        _, x, y = inputs(key)
        model = to_glow(key).double()
        found = bits_per_dim(model.log_prob(x, y), model.config.num_dims, model.config.num_bits)
        torch.testing.assert_close(found, recorded(key, "bits_per_dim"), rtol=0, atol=1e-6)

    def test_bits_per_dim_in_float32(self, key: Key) -> None:
        _, x, y = inputs(key)
        model = to_glow(key)
        found = bits_per_dim(model.log_prob(x.float(), y), model.config.num_dims, model.config.num_bits)
        torch.testing.assert_close(found, recorded(key, "bits_per_dim").float(), rtol=0, atol=1e-5)

    def test_top_latents(self, key: Key) -> None:
        _, x, y = inputs(key)
        model = to_glow(key).double()
        top = model.prior.inverse(model(x, y)[0][-1], y)  # theirs isn't standardised
        torch.testing.assert_close(top.sum((2, 3)), recorded(key, "top_sums"), rtol=1e-5, atol=1e-5)

    def test_round_trip(self, key: Key) -> None:
        images, x, y = inputs(key)
        model = to_glow(key).double()
        torch.testing.assert_close(model.inverse(model(x, y)[0], y), x)
        assert torch.equal(model.decode(model.encode(images, y), y), quantize(images, model.config.num_bits))

    def test_state(self, key: Key) -> None:
        model = to_glow(key)
        assert model.dtype == torch.float32
        assert not model.training


def test_class_logits() -> None:
    _, x, _ = inputs(CLASSES)
    found = to_glow(CLASSES).double().classify(x)
    torch.testing.assert_close(found, recorded(CLASSES, "logits"), rtol=1e-5, atol=1e-5)


def test_architectures() -> None:
    assert to_glow(LU).config.permutation == "conv1x1-lu"
    assert to_glow(MIXED).config.permutation == "conv1x1"
    assert not to_glow(DENSE).config.learn_top
    assert to_glow(CLASSES).config.classifier
    assert to_glow(REVERSE).config.permutation == "reverse"


@pytest.mark.parametrize("key", CASES, ids="-".join)
def test_every_tensor_is_needed(key: Key) -> None:
    for name in CASES[key]["shapes"]:
        assert "lacks" in refusal(to_glow, key, weights(key, name, None)), name


@pytest.mark.parametrize("key", CASES, ids="-".join)
def test_every_shape_is_checked(key: Key) -> None:
    for name, tensor in recorded_weights(key).items():
        longer = torch.cat([tensor, tensor[:1]]) if tensor.ndim else tensor[None]
        assert "shape" in refusal(to_glow, key, weights(key, name, longer)), name
        assert refusal(to_glow, key, weights(key, name, tensor[None])), name


@pytest.mark.parametrize("key", CASES, ids="-".join)
def test_no_tensor_is_ignored(key: Key) -> None:
    assert "an unknown tensor extra" in refusal(to_glow, key, weights(key, "extra", torch.zeros(3)))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("blocks.1.flows.0.actnorm.scale", torch.zeros(1, 24, 1, 1), "zero in a channel"),
        ("blocks.1.flows.0.actnorm.scale", torch.full((1, 24, 1, 1), torch.nan), "finite"),
        ("blocks.1.flows.0.actnorm.initialized", torch.tensor(0, dtype=torch.uint8), "hasn't been trained"),
        ("blocks.1.flows.0.invconv.s_sign", torch.zeros(24), "a sign isn't 1"),
        ("blocks.1.flows.0.invconv.u_mask", torch.ones(24, 24), "constant"),
    ],
)
def test_rosinality_refuses(name: str, value: Tensor, sentence: str) -> None:
    found = refusal(to_glow, LU, weights(LU, name, value))
    assert sentence in found
    assert name.rpartition(".")[0] in found


def test_an_image_size_that_the_levels_cannot_halve() -> None:
    assert "2 levels" in refusal(rosinality.to_glow, recorded_weights(LU), (8, 6), 8)


def test_y0ast_refuses_a_dense_matrix_without_inverse() -> None:
    singular = weights(DENSE, "flow.layers.1.invconv.weight", torch.ones(12, 12))
    assert "isn't invertible" in refusal(to_glow, DENSE, singular)


def test_y0ast_refuses_a_top_that_its_code_does_not_have() -> None:
    prior_h = torch.ones(CASES[CLASSES]["shapes"]["prior_h"])
    assert "constant" in refusal(to_glow, CLASSES, weights(CLASSES, "prior_h", prior_h))


def test_y0ast_refuses_an_unknown_permutation() -> None:
    assert "shuffle can't be imported" in refusal(y0ast.to_glow, recorded_weights(REVERSE))
    assert "has 1x1 convolutions" in refusal(y0ast.to_glow, recorded_weights(DENSE), "reverse")


@pytest.mark.parametrize("tensors", [{"fc.weight": torch.zeros(3, 3)}, {}])
def test_a_checkpoint_of_something_else(tensors: dict[str, Tensor]) -> None:
    assert "another code base" in refusal(rosinality.to_glow, tensors, (8, 8), 8)
    assert "another code base" in refusal(y0ast.to_glow, tensors)


class TestFile:
    tensors: dict[str, Tensor] = {"a.weight": torch.arange(6.0).view(2, 3), "module.b": torch.tensor(1)}  # noqa: RUF012

    @pytest.mark.parametrize("zipped", [True, False])
    @pytest.mark.parametrize("nest", [None, "model", "state_dict", "model_state_dict", "ema"])
    @pytest.mark.parametrize(
        "prefix", ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.module."]
    )
    def test_read(self, tmp_path: Path, nest: str | None, prefix: str, *, zipped: bool) -> None:
        file = tmp_path / "model.pt"
        content: dict[str, Any] = {prefix + name: value for name, value in self.tensors.items()}
        torch.save({nest: content, "epoch": 3} if nest else content, file, _use_new_zipfile_serialization=zipped)
        found = torch_checkpoint.read(file)
        assert list(found) == list(self.tensors)
        assert all(torch.equal(found[name], self.tensors[name]) for name in found)

    def test_wrappers_of_parts_and_averages(self, tmp_path: Path) -> None:
        file = tmp_path / "model.pt"
        wrapped = {"module.a._orig_mod.weight": torch.ones(2), "module.b._fsdp_wrapped_module.bias": torch.zeros(2)}
        torch.save({"model": {"name": "glow"}, "state_dict": {"net": wrapped | {"n_averaged": torch.tensor(3)}}}, file)
        assert list(torch_checkpoint.read(file)) == ["a.weight", "b.bias"]

    def test_missing(self, tmp_path: Path) -> None:
        assert "is missing" in refusal(torch_checkpoint.read, tmp_path / "none.pt")

    def test_a_directory(self, tmp_path: Path) -> None:
        assert "can't be read" in refusal(torch_checkpoint.read, tmp_path)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_truncated_anywhere(self, tmp_path: Path, *, zipped: bool) -> None:
        file = tmp_path / "model.pt"
        torch.save(self.tensors, file, _use_new_zipfile_serialization=zipped)
        whole = file.read_bytes()
        for length in range(0, len(whole) - 1, 7):
            file.write_bytes(whole[:length])
            assert str(file) in refusal(torch_checkpoint.read, file), length

    @pytest.mark.parametrize("content", [b"", b"text, not a checkpoint", bytes(range(256)), pickle.dumps({"a": 1})])
    def test_another_file(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "model.pt"
        file.write_bytes(content)
        assert str(file) in refusal(torch_checkpoint.read, file)

    @pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)], {"epoch": 3}, {1: torch.zeros(3)}])
    def test_no_state_dict(self, tmp_path: Path, content: object) -> None:
        file = tmp_path / "model.pt"
        torch.save(content, file)
        assert "no state dict" in refusal(torch_checkpoint.read, file)

    def test_code_in_a_pickle_does_not_run(self, tmp_path: Path) -> None:
        file, trace = tmp_path / "model.pt", tmp_path / "trace"
        torch.save({"model": Trap(trace)}, file)
        assert "could run code" in refusal(torch_checkpoint.read, file)
        assert not trace.exists()


class Trap:
    """Touches a file when it's unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)
