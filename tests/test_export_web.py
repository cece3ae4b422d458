"""The exported page as its visitor uses it: in a headless Chromium, served as plain files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient
from torch import Tensor

from benchmarks.file_server import served
from glowflow import Glow, GlowConfig, InputError
from glowflow.cli import main
from glowflow.data import Dataset, read_images
from glowflow.demo import server, site
from glowflow.evaluate import bits_of
from glowflow.latents import Directions, Usual
from glowflow.model import FrozenGlow
from tests.browser import pixels, playwright, settle, status, upload, visited
from tests.helpers import calm, sentence

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("onnxruntime", reason="the extra onnx isn't installed")

SHAPE, D = (3, 16, 16), 768
USUAL = {"data": "faces", "images": 100, "bits_per_dim": {"1%": 1.0, "50%": 1.5, "99%": 2.0}}


def directions() -> Directions:
    """Two directions, whose range of usual pictures is narrow."""
    vectors = 3 * torch.randn(2, D, generator=torch.Generator().manual_seed(1))
    return Directions(("Smiling", "Black_Hair"), vectors, ({}, {}), Usual(middle=1.0, highest=2.0, extremes=0.5))


def runtime() -> Path:
    """The files of npm's onnxruntime-web."""
    try:
        return site.found_runtime(None)
    except InputError:
        pytest.skip("npm's onnxruntime-web isn't installed (npm install onnxruntime-web)")


@pytest.fixture(name="stand_in")
def _stand_in(tmp_path: Path) -> Path:
    """A folder with files that are called like those of onnxruntime-web."""
    folder = tmp_path / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name in site.RUNTIME:
        (folder / name).write_text(name)
    return folder


# The folder


def test_the_folder(tmp_path: Path, stand_in: Path) -> None:
    out, glow = tmp_path / "out", calm()
    out.mkdir()
    few = Dataset("few", "test", np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8))
    site.write(glow, "tiny", directions(), USUAL, stand_in, out, examples=few)
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    first, *_ = (out / "offline.js").read_text().partition(";\n")
    _, kept = json.loads(first.removeprefix("const [VERSION, FILES] = "))
    assert sorted(kept) == sorted(["./", *(name for name in files if name not in {"index.html", "offline.js"})])
    assert (out / "static" / "engine.js").read_text() == 'export * from "./browser.js";\n'
    assert "default-src 'self'" in (out / "index.html").read_text()
    told = json.loads((out / "model" / "model.json").read_text())
    with TestClient(server.application(glow, "tiny", directions(), USUAL)) as client:
        served = client.get("/api/model").json()
    assert {name: told[name] for name in served if name not in {"limits", "finds_faces"}} == {
        name: value for name, value in served.items() if name not in {"limits", "finds_faces"}
    }
    assert told["range"] == {"middle": 1.0, "highest": 2.0, "extremes": 0.5}
    first, second = json.loads((out / "model" / "examples.json").read_text())["images"]
    z = np.frombuffer(base64.b64decode(first["latents"]), "<f4")
    np.testing.assert_array_equal(z, glow.encode(few.batch([0])[0]).float().numpy()[0])
    assert "latents" not in second
    vectors = np.fromfile(out / "model" / "directions.bin", "<f4").reshape(2, D)
    np.testing.assert_array_equal(vectors, directions().vectors)


def test_the_command(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")  # so that npm isn't found
    torch.manual_seed(0)
    Glow(GlowConfig((1, 8, 8), steps=1, width=8)).save_pretrained("model")
    told = sentence(capsys, "export", "web", "model", "out")
    assert "such as ort.wasm.min.mjs: run npm install onnxruntime-web here, or give its folder by --runtime" in told
    told = sentence(capsys, "export", "web", "model", "out", "--runtime", "model")
    assert "model doesn't have the files of the npm package onnxruntime-web" in told
    assert not Path("out").exists()
    for package in (stand_in, stand_in.parent):
        assert main(["export", "web", "model", f"{package.name}-page", "--runtime", str(package)]) == 0
        assert Path(f"{package.name}-page", "index.html").is_file()
    Path("node_modules").mkdir()
    stand_in.parent.rename("node_modules/onnxruntime-web")
    assert main(["export", "web", "model", "out"]) == 0
    assert "out exists already" in sentence(capsys, "export", "web", "model", "out")


# In a browser


def exported(
    glow: FrozenGlow, folder: Path, sliders: Directions | None = None, examples: Dataset | None = None
) -> Iterator[str]:
    """The address of a model's exported page."""
    site.write(glow, "tiny", sliders, USUAL, runtime(), folder, examples=examples)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module", name="address")
def _address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from exported(calm(), tmp_path_factory.mktemp("page"), directions())


@pytest.fixture(name="page")
def _page(browser: Browser, address: str) -> Iterator[Page]:
    with visited(browser, address) as page:
        yield page


def decoded(page: Page, z: Tensor, label: int | None = None) -> Tensor:
    """The image (C, H, W) that the page's engine decodes."""
    script = """async ([z, label]) => {
        const { decode } = await import(new URL("static/engine.js", location));
        const bitmap = await createImageBitmap(await decode(Float32Array.from(z), label));
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
        context.drawImage(bitmap, 0, 0);
        return [bitmap.height, bitmap.width, [...context.getImageData(0, 0, bitmap.width, bitmap.height).data]]; }"""
    height, width, data = page.evaluate(script, [z.tolist(), label])
    return torch.tensor(data, dtype=torch.uint8).view(height, width, 4)[:, :, :3].permute(2, 0, 1)


def test_pictures_are_those_of_torch(page: Page) -> None:
    glow, z = calm(), 0.7 * torch.randn(20, D, generator=torch.Generator().manual_seed(2))
    images = glow.sample(20, 0.7, generator=torch.Generator().manual_seed(3))
    z = torch.cat([z, glow.encode(images).float()])
    found, right = torch.stack([decoded(page, each) for each in z]), glow.decode(z, exact=False)
    assert (found.int() - right.int()).abs().max() <= 8  # a level of 5 bits
    assert (found != right).float().mean() < 1e-4


@pytest.mark.parametrize("settings", [{"image_shape": (1, 16, 16)}, {"num_classes": 3}])
def test_grey_images_and_classes(settings: dict[str, Any], browser: Browser, tmp_path: Path) -> None:
    glow = calm(**settings)
    label = 2 if glow.class_names else None
    for address in exported(glow, tmp_path):
        with visited(browser, address) as page:
            z = torch.randn(glow.config.num_dims, generator=torch.Generator().manual_seed(2))
            y = None if label is None else torch.tensor([label])
            found, right = decoded(page, z, label), glow.decode(z[None], y, exact=False)[0]
            assert (found != right).float().mean() < 1e-3
            upload(page, picture(tmp_path, (16, 16), "mine.png"))
            status(page, "bits/dim")


def picture(folder: Path, size: tuple[int, int], name: str, mode: str = "RGB") -> Path:
    """A file with a smooth random image."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 5, len(mode)), dtype=np.uint8)
    image = Image.fromarray(coarse[:, :, 0] if mode == "L" else coarse, mode=mode).resize(
        size, Image.Resampling.BICUBIC
    )
    image.save(folder / name)
    return folder / name


def test_an_uploaded_image(page: Page, tmp_path: Path) -> None:
    file = picture(tmp_path, (16, 16), "mine.png")
    upload(page, file)
    status(page, "Reconstructed exactly, every pixel")
    images = torch.from_numpy(read_images([file], SHAPE)).permute(0, 3, 1, 2)
    bits = float(bits_of(calm(), images))
    assert f"mine.png: {bits:.2f}" in page.locator("#status").inner_text()
    settle(page)
    np.testing.assert_array_equal(pixels(page, "#seen"), images[0].permute(1, 2, 0) // 8 * 8)
    np.testing.assert_array_equal(pixels(page), pixels(page, "#seen"))


@pytest.mark.parametrize(
    ("size", "name", "mode"),
    [
        ((64, 48), "large.png", "RGB"),
        ((33, 90), "tall.webp", "RGB"),
        ((9, 12), "small.png", "RGB"),
        ((40, 20), "grey.png", "L"),
        ((50, 50), "see-through.png", "RGBA"),
    ],
)
def test_images_are_cut_and_resized_as_in_the_library(
    page: Page, tmp_path: Path, size: tuple[int, int], name: str, mode: str
) -> None:
    upload(page, picture(tmp_path, size, name, mode))
    status(page, f"{name}: ")
    script = """async ([name, shape]) => {
        const { pixelsOf } = await import(new URL("static/pixels.js", location));
        return [...await pixelsOf(await (await fetch(name)).blob(), shape)]; }"""
    page.route("**/picture", lambda route: route.fulfill(path=tmp_path / name))
    found = np.array(page.evaluate(script, ["picture", SHAPE])).reshape(SHAPE)
    (right,) = read_images([tmp_path / name], SHAPE, enlarge=True)
    assert np.abs(found - right.transpose(2, 0, 1).astype(int)).max() <= 1


def test_sliders_links_and_warnings(page: Page, browser: Browser, address: str) -> None:
    page.locator("#strip button").first.click()
    settle(page)
    before = pixels(page)
    page.get_by_label("Smiling").press("End")
    settle(page)
    after = pixels(page)
    assert (before != after).any()
    playwright.expect(page.locator("#leaving")).to_contain_text("bits/dim, where at most 2.00 are usual")
    with visited(browser, page.url) as other:
        np.testing.assert_array_equal(pixels(other), after)


def test_nothing_leaves_the_page_and_it_works_without_a_network(browser: Browser, tmp_path: Path) -> None:
    visitor, asked = browser.new_context(), []
    visitor.on("request", lambda request: asked.append(request.url))
    for address in exported(calm(), tmp_path, directions()):
        page = visitor.new_page()
        page.goto(address)
        settle(page)
        page.evaluate("navigator.serviceWorker.ready")
    assert all(url.startswith((address, f"blob:{address}")) for url in asked)
    page.reload()  # the server is gone
    settle(page)
    page.get_by_label("Smiling").press("End")
    settle(page)
    upload(page, picture(tmp_path, (20, 20), "mine.png"))
    status(page, "bits/dim")
    visitor.close()


def test_it_says_what_it_lacks(page: Page) -> None:
    assert "images are sent nowhere" in page.locator("footer").inner_text()
    page.locator("#downloads summary").click()
    assert page.locator("#save-picture").is_visible()
    assert not page.locator("#save-animation").is_visible()
    assert not page.get_by_role("link", name="API").is_visible()
