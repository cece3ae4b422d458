"""Exported files compute what the model computes, for every part that a model can have."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow import Glow, GlowConfig, InputError
from glowflow.bijections import Coupling
from glowflow.cli import main
from glowflow.conditioners import Conditioner
from glowflow.data import at_hand
from glowflow.export import checking, onnx_files, runtime
from glowflow.export.forms import for_runtimes
from glowflow.export.functions import functions
from glowflow.images import quantize
from glowflow.model import FrozenGlow
from glowflow.parts import CONDITIONERS, COUPLINGS, DEQUANTIZERS, LAYOUTS, PERMUTATIONS
from tests.helpers import frozen, sentence

onnx = pytest.importorskip("onnx", reason="the extra onnx isn't installed")
pytest.importorskip("onnxruntime", reason="the extra onnx isn't installed")

KINDS = (COUPLINGS, CONDITIONERS, PERMUTATIONS, LAYOUTS, DEQUANTIZERS)
CASES: dict[str, dict[str, Any]] = {f"{kind.name} {name}": {kind.name: name} for kind in KINDS for name in kind.names}
CASES |= {
    "a small last kernel": {"conditioner": {"kind": "conv", "last": 1}},
    "a logit": {"layout": {"kind": "realnvp", "logit": True}, "coupling": "mixture"},
    "classes": {"num_classes": 3, "classifier": True},
    "a fixed top": {"learn_top": False, "image_shape": (1, 12, 12), "num_bits": 8},
    "different levels": {"steps": (1, 2), "width": (8, 16), "conditioner": ("conv", "attention")},
}


def examples(model: FrozenGlow, count: int) -> dict[str, Tensor]:
    """Inputs of all functions."""
    config, generator = model.config, torch.Generator().manual_seed(1)
    labels = {"labels": torch.arange(count) % config.num_classes} if config.num_classes else {}
    images = torch.randint(256, (count, *config.image_shape), dtype=torch.uint8, generator=generator)
    latents = model.encode(images, labels.get("labels")).float()
    return {"images": images, "noise": torch.rand(images.shape, generator=generator), "latents": latents, **labels}


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_every_architecture(case: str, tmp_path: Path) -> None:
    model = frozen(**CASES[case])
    onnx_files.write(model, tmp_path)
    for name, function in functions(model).items():
        onnx.checker.check_model(tmp_path / f"{name}.onnx", full_check=True)
        session = runtime.session(tmp_path / f"{name}.onnx")
        for count in (1, 4):
            given = {key: value for key, value in examples(model, count).items() if key in function.inputs}
            found, right = runtime.run(session, given), function.compute(**given)
            assert found.dtype == right.dtype
            atol = 0 if name == "decoder" else 1e-4
            torch.testing.assert_close(found, right, rtol=0, atol=atol)


@pytest.mark.parametrize("case", ["conditioner conv", "a small last kernel", "permutation reverse"])
@torch.no_grad()
def test_the_forms_for_runtimes_compute_the_same(case: str) -> None:
    model = frozen(**CASES[case]).double()
    x = torch.rand(3, *model.config.image_shape, dtype=torch.float64) - 0.5
    (latents, log_det), (own, own_log_det) = for_runtimes(model)(x), model(x)
    torch.testing.assert_close(latents, own)
    torch.testing.assert_close(log_det, own_log_det)
    torch.testing.assert_close(for_runtimes(model).inverse(latents), x)


def test_graphs_share_their_weights(tmp_path: Path) -> None:
    model = frozen(width=64)
    onnx_files.write(model, tmp_path)
    shared = (tmp_path / onnx_files.WEIGHTS).stat().st_size
    networks = [module.conditioner for module in model.modules() if isinstance(module, Coupling)]
    numbers = sum(tensor.numel() for network in networks for tensor in network.buffers())
    assert 4 * numbers < 1.1 * shared < 1.3 * 4 * numbers
    assert all((tmp_path / f"{name}.onnx").stat().st_size < 100_000 for name in functions(model))


@torch.no_grad()
def test_float16_halves_the_file_and_keeps_the_inverse_exact(tmp_path: Path) -> None:
    model, size = frozen(width=64), {}
    for name, each in {"whole": model, "rounded": onnx_files.round_networks(frozen(width=64))}.items():
        (tmp_path / name).mkdir()
        onnx_files.write(each, tmp_path / name)
        checking.check(each, tmp_path / name)
        size[name] = (tmp_path / name / onnx_files.WEIGHTS).stat().st_size
    assert size["rounded"] < 0.6 * size["whole"]
    encoder, decoder = (runtime.session(tmp_path / "rounded" / f"{name}.onnx") for name in ("encoder", "decoder"))
    images = examples(model, 4)["images"] // 8 * 8
    assert torch.equal(runtime.run(decoder, {"latents": runtime.run(encoder, {"images": images})}), images)


def test_test_faces_come_back_exactly(tmp_path: Path) -> None:
    faces = at_hand("portraits", (3, 64, 64), "test", 24)
    if faces is None:
        pytest.skip("the faces need the extra data")
    onnx_files.write(Glow.from_pretrained("faces").freeze(), tmp_path)
    encoder, decoder = (runtime.session(tmp_path / f"{name}.onnx") for name in ("encoder", "decoder"))
    images, _ = faces.batch(range(24))
    found = runtime.run(decoder, {"latents": runtime.run(encoder, {"images": images})})
    assert torch.equal(found, quantize(images, 5))


def test_a_weight_too_large_for_float16_is_refused() -> None:
    model = frozen()
    coupling = next(module for module in model.modules() if isinstance(module, Coupling))
    coupling.conditioner.get_buffer("constant0").fill_(1e6)
    with pytest.raises(InputError, match="too large for float16: use float32"):
        onnx_files.round_networks(model)


def test_what_a_file_says_about_itself(tmp_path: Path) -> None:
    model = frozen(num_classes=2)
    onnx_files.write(model, tmp_path)
    decoder = onnx.load(tmp_path / "decoder.onnx")
    told = {each.key: each.value for each in decoder.metadata_props}
    assert told["image_shape"] == "[3, 16, 8]"
    assert told["class_names"] == '["0", "1"]'
    assert [each.name for each in decoder.graph.input] == ["latents", "labels"]


# Parts of one's own


@COUPLINGS.option("export-cubic")
@dataclass(frozen=True)
class CubicOptions:
    """A cubic."""


@COUPLINGS.builds("export-cubic")
class Cubic(Coupling):
    """A coupling without a formula for its inverse."""

    params_per_channel = 1

    def transform(self, x_b: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return x_b + h.exp() * x_b**3, (1 + 3 * h.exp() * x_b**2).log()


@CONDITIONERS.option("export-odd")
@dataclass(frozen=True)
class OddOptions:
    """A network that does something odd."""

    what: str = "fft"


@CONDITIONERS.builds("export-odd")
class Odd(Conditioner):
    """A network that ONNX can't express, or that depends on the place in the batch."""

    def __init__(self, what: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.what, self.conv = what, nn.Conv2d(inputs, outputs, 1)

    @classmethod
    def build(cls, options: OddOptions, inputs: int, outputs: int, _width: int, _size: object) -> "Odd":
        return cls(options.what, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.what == "fft":
            x = torch.fft.fft2(x).real
        elif self.what == "write":
            x = x.clone()
            x[:, :, 0] = 0
        elif self.what == "read":
            x = x if x.sum() > 0 else -x
        elif self.what == "double":
            return F.conv2d(x.double(), self.conv.weight.double()).to(x)
        elif self.what == "place":
            x = x * torch.arange(len(x), dtype=x.dtype).view(-1, 1, 1, 1)
        return self.conv(x)


def test_an_own_part_is_exported_if_its_functions_are_known(tmp_path: Path) -> None:
    model = frozen(coupling="export-cubic")
    onnx_files.write(model, tmp_path)
    assert max(checking.check(model, tmp_path).values()) < 1e-4


@pytest.mark.parametrize(
    ("what", "told"),
    [("fft", "glowflow can't translate torch's fft"), ("write", "torch's setitem"), ("read", "meta")],
)
def test_an_own_part_that_onnx_cannot_express_is_named(what: str, told: str, tmp_path: Path) -> None:
    model = frozen(conditioner={"kind": "export-odd", "what": what})
    with pytest.raises(InputError, match=f"because of its own conditioner export-odd: .*{told}"):
        onnx_files.write(model, tmp_path)


def test_a_size_that_stands_for_the_batch_is_refused(tmp_path: Path) -> None:
    model = Glow(GlowConfig((3, 8, 8), levels=1, steps=1, width=1009)).freeze()
    with pytest.raises(InputError, match="because 1009 is one of its sizes"):
        onnx_files.write(model, tmp_path)


def test_an_own_part_that_computes_something_else_in_onnx_is_refused(tmp_path: Path) -> None:
    model = frozen(conditioner={"kind": "export-odd", "what": "place"})
    onnx_files.write(model, tmp_path)
    with pytest.raises(InputError, match=r"The exported encoder would differ by .*; at most .* is allowed"):
        checking.check(model, tmp_path)


def test_an_own_part_that_the_runtime_cannot_compute_is_refused(tmp_path: Path) -> None:
    model = frozen(conditioner={"kind": "export-odd", "what": "double"})
    onnx_files.write(model, tmp_path)
    with pytest.raises(InputError, match=r"ONNX Runtime can't run the exported encoder: .*Conv"):
        checking.check(model, tmp_path)


# The command


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "export.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^glowflow (.*)$", page, re.MULTILINE)
    assert main(command.split()) == 0
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(code, {})  # noqa: S102


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    Glow(GlowConfig((1, 8, 8), steps=1, width=8)).save_pretrained("model")
    assert main(["export", "onnx", "model", "out", "--weights", "float16"]) == 0
    assert "weights     out/weights.bin, float16" in capsys.readouterr().out
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "decoder.onnx",
        "encoder.onnx",
        "likelihood.onnx",
        "weights.bin",
    ]
    assert "out exists already" in sentence(capsys, "export", "onnx", "model", "out")
    assert "weights is float8" in sentence(capsys, "export", "onnx", "model", "new", "--weights", "float8")
    assert "no folder" in sentence(capsys, "export", "onnx", "model", "absent/deep")
    monkeypatch.setattr(checking, "TOLERANCE", -1.0)
    monkeypatch.setattr(checking, "ROUNDING", 0.0)
    assert "would differ" in sentence(capsys, "export", "onnx", "model", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out"]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_the_packages_are_asked_for(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    told = sentence(capsys, "export", "onnx", "faces", str(tmp_path / "out"))
    assert f"Exporting to ONNX needs {package}" in told
    assert "'.[onnx]'" in told
    assert not list(tmp_path.iterdir())
