"""The exported page as its visitor uses it: in a headless Chromium, served as plain files."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient
from torch import Tensor

from benchmarks.file_server import served
from glowflow import Glow, GlowConfig, InputError
from glowflow.cli import main
from glowflow.data import Dataset, at_hand, read_images
from glowflow.demo import server, site, web_runtime
from glowflow.evaluate import bits_of
from glowflow.export import onnx_files
from glowflow.export.functions import functions
from glowflow.images import quantize
from glowflow.latents import Directions, Usual
from glowflow.model import FrozenGlow
from glowflow.scoring.where import UsualBits
from tests.browser import WEBGPU, chromium, pixels, playwright, press, settle, status, upload, visited, wait_for
from tests.helpers import calm, sentence

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

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
        return web_runtime.found(None)
    except InputError:
        pytest.skip("npm's onnxruntime-web isn't installed (npm install onnxruntime-web)")


@pytest.fixture(name="stand_in")
def _stand_in(tmp_path: Path) -> Path:
    """A folder with files that are called like those of onnxruntime-web."""
    folder = tmp_path / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name in web_runtime.RUNTIME | web_runtime.WEBGPU:
        (folder / name).write_text(name)
    return folder


# The folder


def test_the_folder(tmp_path: Path, stand_in: Path) -> None:
    out, glow = tmp_path / "out", onnx_files.round_networks(calm())
    out.mkdir()
    few = Dataset("few", "test", np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8))
    site.write(glow, "tiny", directions(), USUAL, stand_in, out, examples=few, webgpu=True)
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    first, *_ = (out / "offline.js").read_text().partition(";\n")
    version, kept = json.loads(first.removeprefix("const [VERSION, FILES] = "))
    others = {f"{version}/runtime/{name}" for name in web_runtime.WEBGPU.values()}
    assert others < files
    assert {*kept} == files - others - {"index.html", "offline.js", "NOTICE.txt"}
    assert not any(name.endswith(".mjs") for name in files)  # some hosts don't serve them as scripts
    assert "Microsoft" in (out / "NOTICE.txt").read_text()
    assert (out / version / "static" / "engine.js").read_text() == 'export * from "./browser.js";\n'
    page = (out / "index.html").read_text()
    assert "default-src 'self'" in page
    assert {text.split('"')[0] for text in page.split('src="')[1:]} <= files
    told = json.loads((out / version / "model" / "model.json").read_text())
    with TestClient(server.application(glow, "tiny", directions(), USUAL)) as client:
        served = client.get("/api/model").json()
    assert {name: told[name] for name in served if name not in {"limits", "finds_faces"}} == {
        name: value for name, value in served.items() if name not in {"limits", "finds_faces"}
    }
    assert told["range"] == {"middle": 1.0, "highest": 2.0, "extremes": 0.5}
    first, second = json.loads((out / version / "model" / "examples.json").read_text())["images"]
    z = np.frombuffer(base64.b64decode(first["latents"]), "<f4").copy()
    assert torch.equal(glow.decode(z[None], exact=False), quantize(few.batch([0])[0], 5))
    assert "latents" not in second
    vectors = np.fromfile(out / version / "model" / "directions.bin", "<f4").reshape(2, D)
    np.testing.assert_array_equal(vectors, directions().vectors)


def test_the_command(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    webassembly = set(web_runtime.RUNTIME.values())
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
        assert {path.name for path in Path(f"{package.name}-page").glob("*/runtime/*")} > webassembly
    assert main(["export", "web", "model", "small", "--runtime", str(stand_in), "--without-webgpu"]) == 0
    (stand_in / next(iter(web_runtime.WEBGPU))).unlink()  # as in an older version
    assert main(["export", "web", "model", "older", "--runtime", str(stand_in)]) == 0
    for folder in ("small", "older"):
        assert {path.name for path in Path(folder).glob("*/runtime/*")} == webassembly
        (facts,) = Path(folder).glob("*/model/model.json")
        assert json.loads(facts.read_text())["webgpu"] is False
    Path("node_modules").mkdir()
    stand_in.parent.rename("node_modules/onnxruntime-web")
    assert main(["export", "web", "model", "out"]) == 0
    assert "out exists already" in sentence(capsys, "export", "web", "model", "out")


# In a browser


def exported(
    glow: FrozenGlow,
    folder: Path,
    sliders: Directions | None = None,
    examples: Dataset | None = None,
    where: UsualBits | None = None,
) -> Iterator[str]:
    """The address of a model's exported page."""
    place = runtime()
    webgpu = web_runtime.has_webgpu(place)
    site.write(glow, "tiny", sliders, USUAL, place, folder, examples=examples, where=where, webgpu=webgpu)
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
    """The images (N, 3, H, W) that the page's engine decodes from latents (N, D)."""
    script = """async ([text, count, label]) => {
        const { decode } = await module("engine.js");
        const { bytes } = await module("base64.js");
        const numbers = new Float32Array(bytes(text).buffer);
        const [images, size] = [[], numbers.length / count];
        for (let start = 0; start < numbers.length; start += size) {
            const bitmap = await createImageBitmap(await decode(numbers.slice(start, start + size), label));
            const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
            context.drawImage(bitmap, 0, 0);
            const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
            images.push([bitmap.height, bitmap.width, String.fromCharCode(...data)]);
        }
        return images.map(([height, width, text]) => [height, width, btoa(text)]); }"""
    text = base64.b64encode(z.float().numpy().tobytes()).decode()
    images = [
        torch.frombuffer(bytearray(base64.b64decode(data)), dtype=torch.uint8).view(height, width, 4)
        for height, width, data in page.evaluate(script, [text, len(z), label])
    ]
    return torch.stack(images)[..., :3].permute(0, 3, 1, 2)


def assert_within_a_level(found: Tensor, right: Tensor, num_bits: int = 5) -> None:
    assert (found.int() - right.int()).abs().max() <= 2 ** (8 - num_bits)
    assert (found != right).float().mean() < 1e-4


def test_pictures_are_those_of_torch(page: Page) -> None:
    glow, z = calm(), 0.7 * torch.randn(20, D, generator=torch.Generator().manual_seed(2))
    images = glow.sample(20, 0.7, generator=torch.Generator().manual_seed(3))
    z = torch.cat([z, glow.encode(images).float()])
    assert_within_a_level(decoded(page, z), glow.decode(z, exact=False))


def test_a_hundred_test_faces_come_back(browser: Browser, tmp_path: Path) -> None:
    """The bundled model, as the command exports it: its weights are rounded to float16."""
    faces = at_hand("portraits", (3, 64, 64), "test", 100)
    if faces is None:
        pytest.skip("the faces need the extra data")
    glow = onnx_files.round_networks(Glow.from_pretrained("faces").freeze())
    images, _ = faces.batch(range(len(faces)))
    z = torch.cat([functions(glow)["encoder"].compute(part) for part in images.split(20)])
    for address in exported(glow, tmp_path):
        with visited(browser, address) as page:
            found = decoded(page, z)
            assert_within_a_level(found, glow.decode(z))
            assert_within_a_level(found, quantize(images, 5))


def test_transparent_pixels_keep_their_colours(page: Page) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 7), dtype=np.uint8)
    image[3] //= 64
    script = """async ([values, shape]) => {
        const { picture, pixels } = await module("picture.js");
        const file = new Uint8Array(await (await picture(values, shape)).arrayBuffer());
        return [[...file], [...pixels(values, shape).data]]; }"""
    for channels, shown in ((4, 4), (3, 3), (1, 1), (2, 1), (6, 3)):
        given = np.concatenate([image, image])[:channels]
        file, pixels = map(bytes, page.evaluate(script, [given.flatten().tolist(), given.shape]))
        found = np.asarray(Image.open(BytesIO(file))).reshape(5, 7, shown)
        assert Image.open(BytesIO(file)).convert("RGBA").tobytes() == pixels
        np.testing.assert_array_equal(found, given[:shown].transpose(1, 2, 0))


@pytest.mark.parametrize("settings", [{"image_shape": (1, 16, 16)}, {"num_classes": 3}])
def test_grey_images_and_classes(settings: dict[str, Any], browser: Browser, tmp_path: Path) -> None:
    glow = calm(**settings)
    label = 2 if glow.class_names else None
    for address in exported(glow, tmp_path):
        with visited(browser, address) as page:
            z = torch.randn(glow.config.num_dims, generator=torch.Generator().manual_seed(2))
            y = None if label is None else torch.tensor([label])
            found, right = decoded(page, z[None], label), glow.decode(z[None], y, exact=False)
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
        ((3100, 2300), "huge.png", "RGB"),
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
    (right,) = read_images([tmp_path / name], SHAPE, enlarge=True)
    wait_for(lambda: pixels(page, "#seen").shape == right.shape, page)
    assert np.abs(pixels(page, "#seen") - right.astype(int) // 8 * 8).max() <= 8
    found = read_in(page, tmp_path / name, SHAPE)
    assert np.abs(found - right.transpose(2, 0, 1).astype(int)).max() <= 1


@pytest.mark.parametrize(("size", "shape"), [((60, 31), (3, 16, 24)), ((60, 33), (3, 16, 24)), ((31, 60), (1, 24, 16))])
def test_halves_of_a_pixel_are_cut_as_in_the_library(
    page: Page, tmp_path: Path, size: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    file = picture(tmp_path, size, "odd.png")
    (right,) = read_images([file], shape, enlarge=True)
    assert np.abs(read_in(page, file, shape) - right.transpose(2, 0, 1).astype(int)).max() <= 1


def read_in(page: Page, file: Path, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """The values (C, H, W) that the page reads in a file."""
    script = """async ([name, shape]) => {
        const { pixelsOf } = await module("pixels.js");
        return [...await pixelsOf(await (await fetch(name)).blob(), shape)]; }"""
    page.route("**/picture", lambda route: route.fulfill(path=file))
    return np.array(page.evaluate(script, ["picture", shape])).reshape(shape)


def test_what_else_the_page_does(page: Page, tmp_path: Path) -> None:
    """Blends, levels, files and one's own sliders are computed in the browser."""
    page.locator("#strip button").first.click()
    page.get_by_role("button", name="Random second").click()
    status(page, "is the second image")
    page.locator("#blend").press("End")
    settle(page)
    np.testing.assert_array_equal(pixels(page), pixels(page, "#second-thumb"))
    page.locator("#blend").press("Home")
    page.locator("#levels .level").last.get_by_role("button", name="from the second").click()
    settle(page)
    mixed = pixels(page)
    first, latents = (saved(page, name, tmp_path) for name in ("Image (PNG)", "Latents (.f64)"))
    np.testing.assert_array_equal(np.asarray(Image.open(first)), mixed)
    z = torch.from_numpy(np.fromfile(latents, "<f8"))
    assert_within_a_level(torch.from_numpy(mixed).permute(2, 0, 1), calm().decode(z[None])[0])
    page.set_input_files("#latents-file", latents)
    page.wait_for_function("name => document.querySelector('#title').textContent === name", arg=latents.name)
    settle(page)
    np.testing.assert_array_equal(pixels(page), mixed)
    for side, size in (("#with", (20, 20)), ("#without", (24, 16))):
        page.set_input_files(f"{side} input", picture(tmp_path, size, f"{side[1:]}.png"))
        playwright.expect(page.locator(f"{side} li")).to_have_count(1)
    page.get_by_label("Name").fill("Wide")
    page.get_by_role("button", name="Make the slider").click()
    status(page, "is now at the top")
    press(page, "Wide", "End")
    assert (pixels(page) != mixed).any()


def saved(page: Page, name: str, folder: Path) -> Path:
    """The file that an item of the menu saves."""
    page.locator("#downloads summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    download.value.save_as(folder / download.value.suggested_filename)
    return folder / download.value.suggested_filename


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
        page.wait_for_timeout(2000)  # then WebGPU would have been tried
    assert all(url.startswith((address, f"blob:{address}")) for url in asked)
    assert not any("webgpu" in url or "asyncify" in url for url in asked)
    page.reload()  # the server is gone
    settle(page)
    page.get_by_label("Smiling").press("End")
    settle(page)
    upload(page, picture(tmp_path, (20, 20), "mine.png"))
    status(page, "bits/dim")
    visitor.close()


def test_a_newer_export_takes_the_place_of_an_older_one(browser: Browser, tmp_path: Path) -> None:
    """Without a visitor's help: the page that the browser has kept is older."""
    visitor = browser.new_context()
    page = visitor.new_page()
    for folder, glow in (("old", calm()), ("new", calm(width=16))):
        (tmp_path / folder).mkdir()
        site.write(glow, folder, directions(), USUAL, runtime(), tmp_path / folder)
    for name in ("index.html", "offline.js"):
        os.utime(tmp_path / "old" / name, (0, 0))  # because servers tell ages in whole seconds
    (tmp_path / "page").symlink_to(tmp_path / "old")
    with served(tmp_path / "page") as address:
        page.goto(address)
        settle(page)
        page.evaluate("navigator.serviceWorker.ready")
        (tmp_path / "page").unlink()
        (tmp_path / "page").symlink_to(tmp_path / "new")
        page.reload()
        playwright.expect(page).to_have_title("new \u00b7 glowflow")
        settle(page)
        (version,) = (path.name for path in (tmp_path / "new").iterdir() if path.is_dir())
        is_kept = "version => caches.keys().then((names) => names.length === 1 && names[0].endsWith(version))"
        wait_for(lambda: page.evaluate(is_kept, version), page)
    page.reload()  # the server is gone
    settle(page)
    playwright.expect(page).to_have_title("new \u00b7 glowflow")
    page.get_by_label("Smiling").press("End")
    settle(page)
    visitor.close()


def test_a_page_that_cannot_be_started_says_so(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.route("**/runtime/wasm.js", lambda route: route.abort())
    page.goto(address)
    playwright.expect(page.locator("#about")).to_contain_text("The model can't be started")
    page.close()


def test_what_fails_to_load_once_is_loaded_again(page: Page, tmp_path: Path) -> None:
    page.route("**/encoder.onnx", lambda route: route.abort())
    page.set_input_files("#file", picture(tmp_path, (16, 16), "mine.png"))
    status(page, "encoder.onnx of this page can't be loaded")
    page.unroute("**/encoder.onnx")
    upload(page, picture(tmp_path, (16, 16), "mine.png"))


def test_a_picture_on_the_way_goes_before_thumbnails(page: Page) -> None:
    script = """async (size) => {
        const { decode } = await module("engine.js");
        const done = [];
        const draw = (name, isUrgent) => decode(new Float32Array(size), null, isUrgent).then(() => done.push(name));
        await Promise.all([draw("first"), draw("second"), draw("third"), draw("urgent", true)]);
        return done; }"""
    found = page.evaluate(script, D)
    assert found.index("urgent") <= 1  # the worker has begun at most one of the others
    found.remove("urgent")
    assert found == ["first", "second", "third"]


def test_a_grey_file_of_16_bits_is_refused(page: Page, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 700, np.uint16)).save(tmp_path / "deep.png")
    page.set_input_files("#file", tmp_path / "deep.png")
    status(page, "deep.png: This page can't read PNG files with 16 bits of grey: save the image with 8 bits.")


def test_it_says_what_it_lacks(page: Page) -> None:
    for words in ("images are sent nowhere", "can't save animations or look for faces", "computed in float32"):
        assert words in page.locator("footer").inner_text()
    playwright.expect(page.locator("#bits")).to_be_visible()
    assert not page.locator("#heat-figure").is_visible()  # the bits of usual images aren't known
    page.locator("#downloads summary").click()
    assert page.locator("#save-picture").is_visible()
    assert not page.locator("#save-animation").is_visible()
    assert not page.get_by_role("link", name="API").is_visible()


# WebGPU

OTHER = """import { answer } from "./answering.js";
let left = %d;
answer({
    timed: (z) => ({ image: Uint8Array.from(z, (value) => value + %d), milliseconds: %d }),
    preview: () => { if (left-- > 0) return { image: "gpu" }; throw new Error("The device was lost."); },
});"""
"""A worker that draws with another runtime: how often before it fails, how far off, and in how many milliseconds."""


@pytest.mark.parametrize(
    ("lasts", "off", "takes", "slow", "drawn"),
    [
        pytest.param(9, 8, 5, 30, ["gpu", "gpu"], id="faster"),
        pytest.param(1, 0, 5, 30, ["gpu", "wasm"], id="lost"),
        pytest.param(9, 9, 5, 30, ["wasm", "wasm"], id="other pictures"),
        pytest.param(9, 0, 50, 30, ["wasm", "wasm"], id="slower"),
        pytest.param(9, 0, 5, 15, ["wasm", "wasm"], id="not needed"),
    ],
)
def test_webgpu_draws_where_it_is_faster_and_the_same(
    page: Page, lasts: int, off: int, takes: int, slow: int, drawn: list[str]
) -> None:
    script = """async (milliseconds) => {
        const { Drawing } = await module("drawing.js");
        const said = [];
        const timed = (z) => ({ image: Uint8Array.from(z), milliseconds });
        const wasm = { call: async (name, [z]) => (name === "timed" ? timed(z) : { image: "wasm" }) };
        const drawing = new Drawing(wasm, (sentence) => said.push(sentence));
        await drawing.choose([Float64Array.of(0), Float64Array.of(100)], null, 8, addressOf("other.js"));
        const drawn = [];
        for (let i = 0; i < 2; i++) drawn.push((await drawing.draw(new Float32Array(1), null)).image);
        return [drawn, said]; }"""
    code = OTHER % (lasts, off, takes)
    page.route("**/static/other.js", lambda route: route.fulfill(body=code, content_type="text/javascript"))
    found, said = page.evaluate(script, slow)
    assert found == drawn
    faster = "WebGPU draws the pictures while a slider moves: it takes 5.0 ms for each, and WebAssembly 30.0 ms."
    assert said == ([faster] if drawn[0] == "gpu" else []) + ([""] if drawn == ["gpu", "wasm"] else [])


def test_webgpu_is_tried_where_webassembly_is_slow(page: Page) -> None:
    script = """async () => {
        const { Drawing } = await module("drawing.js");
        const timed = async ([z]) => {
            await new Promise((resolve) => setTimeout(resolve, 2200));
            return { image: Uint8Array.from(z), milliseconds: 2200 };
        };
        const wasm = { call: async (name, given) => (name === "timed" ? timed(given) : { image: "wasm" }) };
        const drawing = new Drawing(wasm, () => {});
        await drawing.choose([Float64Array.of(0), Float64Array.of(100)], null, 8, addressOf("other.js"));
        return (await drawing.draw(new Float32Array(1), null)).image; }"""
    code = OTHER % (9, 0, 5)
    page.route("**/static/other.js", lambda route: route.fulfill(body=code, content_type="text/javascript"))
    assert page.evaluate(script) == "gpu"


def test_a_runtime_that_cannot_be_loaded_leaves_webassembly(page: Page) -> None:
    script = """async () => {
        const { Drawing } = await module("drawing.js");
        const timed = { image: new Uint8Array(1), milliseconds: 30 };
        const drawing = new Drawing({ call: async (name) => (name === "timed" ? timed : { image: "wasm" }) }, () => {});
        await drawing.choose([Float64Array.of(0)], null, 8, addressOf("none.js"));
        return (await drawing.draw(new Float32Array(1), null)).image; }"""
    assert page.evaluate(script) == "wasm"


def test_pictures_by_webgpu_are_those_of_torch(browsers: Playwright, address: str) -> None:
    """By a graphics card that the processor stands in for, which the page itself wouldn't use."""
    script = """async ([text, count]) => {
        const adapter = await navigator.gpu?.requestAdapter({ forceFallbackAdapter: true });
        if (!adapter) return null;
        const { Calls } = await module("calls.js");
        const { bytes } = await module("base64.js");
        const numbers = new Float32Array(bytes(text).buffer);
        const size = numbers.length / count;
        const gpu = new Calls(addressOf("gpu.js"), "It can't be loaded.");
        const several = Array.from({ length: count }, (_, i) => numbers.slice(i * size, (i + 1) * size));
        const drawn = await Promise.all(several.map((z) => gpu.call("timed", [z, null])));
        return drawn.map(({ image }) => [...image]); }"""
    glow, z = calm(), 0.7 * torch.randn(4, D, generator=torch.Generator().manual_seed(2))
    text = base64.b64encode(z.numpy().tobytes()).decode()
    with chromium(browsers, WEBGPU) as browser, visited(browser, address) as page:
        found = page.evaluate(script, [text, len(z)])
    if found is None:
        pytest.skip("this Chromium has no WebGPU")
    assert_within_a_level(torch.tensor(found, dtype=torch.uint8).view(-1, *SHAPE), glow.decode(z, exact=False))
