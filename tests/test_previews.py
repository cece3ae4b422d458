"""The page's previews are drawn by what is faster, and are the same pictures."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from glowflow import Glow, GlowConfig
from glowflow.cli import main
from glowflow.demo import previews, server, serving
from glowflow.demo.engine import Engine
from glowflow.export import runtime
from tests.helpers import frozen

pytest.importorskip("onnx", reason="the extra onnx isn't installed")
pytest.importorskip("onnxruntime", reason="the extra onnx isn't installed")


def slowly(draw: Any) -> Any:  # noqa: ANN401
    """The same function, which takes a tenth of a second longer."""

    def slow(*arguments: Any, **options: Any) -> Tensor:  # noqa: ANN401
        time.sleep(0.1)
        return draw(*arguments, **options)

    return slow


@pytest.mark.parametrize("settings", [{}, {"num_classes": 3}, {"image_shape": (1, 12, 12), "num_bits": 8}])
def test_onnx_runtime_draws_what_the_frozen_model_draws(settings: dict[str, Any]) -> None:
    glow = frozen(**settings)
    draw, level = runtime.decoder(glow, 1), 2 ** (8 - glow.config.num_bits)
    for count in (1, 5):
        z = torch.randn(count, glow.config.num_dims, generator=torch.Generator().manual_seed(count))
        y = torch.arange(count) % 3 if glow.class_names else None
        found, right = draw(z, y), glow.decode(z, y, exact=False)
        assert found.dtype == right.dtype
        assert (found.int() - right.int()).abs().max() <= level
        assert (found != right).float().mean() < 1e-3


def test_previews_are_drawn_by_it_and_exact_pictures_by_the_model() -> None:
    glow, drawn = frozen(), []

    def draw(z: Tensor, y: Tensor | None) -> Tensor:
        drawn.append((len(z), y))
        return torch.zeros(len(z), *glow.config.image_shape, dtype=torch.uint8)

    async def use(engine: Engine) -> None:
        z = torch.randn(3, glow.config.num_dims)
        pictures = await asyncio.gather(*map(engine.preview, z))
        assert not any(picture.any() for picture in pictures)
        assert drawn == [(2, None), (1, None)]
        assert torch.equal(await engine.decode(z[0].double()), glow.decode(z[:1])[0])
        assert (await engine.encode(glow.decode(z[:1])[0])).is_exact
        assert len(drawn) == 2

    engine = Engine(glow, draw)
    asyncio.run(use(engine))
    engine.close()


@pytest.mark.parametrize("num_classes", [0, 3])
def test_the_faster_one_is_chosen(num_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    glow, decoder = frozen(num_classes=num_classes), runtime.decoder
    with monkeypatch.context() as patch:
        patch.setattr(Glow, "decode", slowly(Glow.decode))
        draw, reason = previews.choose(glow)
        assert draw is not None
        assert reason.startswith("ONNX Runtime draws the pictures while a slider moves: it takes ")
    monkeypatch.setattr(runtime, "decoder", lambda *arguments: slowly(decoder(*arguments)))
    draw, reason = previews.choose(glow)
    assert draw is None
    assert reason.startswith("PyTorch draws the pictures while a slider moves: it takes ")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_all_is_as_before(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert previews.choose(frozen()) == (None, "")


def test_onnx_runtime_is_for_float32() -> None:
    assert previews.choose(frozen().in_float64()) == (None, "")


def test_other_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    glow = frozen()

    def wrong(z: Tensor, y: Tensor | None) -> Tensor:
        picture = glow.decode(z, y, exact=False)
        picture[0, 0, 0, 0] ^= 128
        return picture

    monkeypatch.setattr(runtime, "decoder", lambda *_: wrong)
    draw, reason = previews.choose(glow)
    assert draw is None
    assert reason == (
        "PyTorch draws the pictures while a slider moves, because ONNX Runtime can't: "
        "its pictures are not those of the model."
    )


def test_a_model_that_cannot_be_exported_is_drawn_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    glow = frozen()
    monkeypatch.setattr(glow.prior, "inverse", lambda x, _: torch.fft.fft2(x).real)
    draw, reason = previews.choose(glow)
    assert draw is None
    assert "ONNX Runtime can't: glowflow can't translate torch's fft" in reason


def test_the_command_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[object] = []
    application = server.application

    def noted(*arguments: Any, **others: Any) -> object:  # noqa: ANN401
        given.append(arguments[-1])
        return application(*arguments, **others)

    monkeypatch.setattr(server, "application", noted)
    monkeypatch.setattr(serving, "serve", lambda *_: None)
    monkeypatch.setattr(Glow, "decode", slowly(Glow.decode))
    Glow(GlowConfig((1, 8, 8), steps=1, width=8)).save_pretrained(tmp_path / "model")
    assert main(["demo", str(tmp_path / "model"), "--port", "0"]) == 0
    assert "(Ctrl-C ends it). ONNX Runtime draws the pictures" in capsys.readouterr().err
    assert callable(given[0])
