"""The demo's page as a visitor uses it, in a headless Chromium."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from glowflow import Glow, GlowConfig
from glowflow.data import Dataset
from glowflow.demo import server, serving
from glowflow.images import quantize
from glowflow.latents import Directions, Usual, interpolate
from glowflow.scoring.reference import Reference
from tests.browser import pixels, playwright, press, settle, status, upload, visited, wait_for
from tests.helpers import randomize

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route
    from starlette.types import ASGIApp, Receive, Scope, Send

SHAPE = (3, 16, 16)
D = 768
USUAL = {"data": "faces", "images": 100, "bits_per_dim": {"1%": 1.0, "50%": 1.5, "99%": 2.0}}


def tiny(**settings: object) -> Glow:
    torch.manual_seed(0)
    config = GlowConfig(**{"image_shape": SHAPE, "steps": 2, "width": 8, "num_bits": 5, **settings})  # type: ignore[arg-type]
    return randomize(Glow(config), 0.1).freeze()


@contextmanager
def served(
    glow: Glow,
    directions: Directions | None = None,
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    *,
    reference: Reference | None = None,
    examples: Dataset | None = None,
) -> Iterator[str]:
    """The address of a server of its own."""
    with serving.listening("127.0.0.1", 0) as listener:
        hosts = serving.hosts(listener, "127.0.0.1")
        app = server.application(glow, "tiny", directions, USUAL, hosts, reference=reference, examples=examples)
        running = uvicorn.Server(serving.configuration(around(app)))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        try:
            yield serving.url(listener)
        finally:
            running.should_exit = True
            thread.join()


@pytest.fixture(scope="module", name="address")
def _address() -> Iterator[str]:
    vectors = 0.5 * torch.randn(3, D, generator=torch.Generator().manual_seed(1))
    directions = Directions(("Mouth_Open", "Black_Hair", "Eyeglasses"), vectors, ({}, {}, {}))
    with served(tiny(), directions) as address:
        yield address


@pytest.fixture(name="page")
def _page(browser: Browser, address: str) -> Iterator[Page]:
    with visited(browser, address) as page:
        yield page


def image_file(folder: Path, name: str, seed: int = 0) -> tuple[Path, NDArray[np.uint8]]:
    """A file with an image, and what a model of 5 bits sees of it."""
    content = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(content).save(folder / name)
    return folder / name, quantize(torch.from_numpy(content), 5).numpy()


def test_it_adapts_to_the_model(page: Page) -> None:
    assert page.title() == "tiny · glowflow"
    playwright.expect(page.locator("#about")).to_contain_text("16 pixels, 5 bits")
    names = page.locator("#sliders .slider > span:first-child").all_text_contents()
    assert names == ["Mouth Open", "Black Hair", "Eyeglasses"]
    assert page.locator("#strip button").count() == 12
    assert page.locator("#levels .level").count() == 2
    assert pixels(page).shape == (16, 16, 3)


def test_a_slider_moves_the_image_and_undo_takes_it_back(page: Page) -> None:
    before = pixels(page)
    press(page, "Mouth Open", "End")
    moved = pixels(page)
    assert (moved != before).any()
    page.keyboard.press("Control+z")
    settle(page)
    np.testing.assert_array_equal(pixels(page), before)
    page.keyboard.press("Control+Shift+z")
    settle(page)
    np.testing.assert_array_equal(pixels(page), moved)
    press(page, "Mouth Open", "Delete")
    np.testing.assert_array_equal(pixels(page), before)


def drag(page: Page, label: str, share: float) -> None:
    """Move a slider by the pointer to a place from 0, its left end, to 1."""
    slider = page.get_by_label(label).first
    slider.scroll_into_view_if_needed()
    box, value = slider.bounding_box(), float(slider.input_value())
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 9 + (box["width"] - 18) * (value + 1) / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * share, y)
    page.mouse.up()


def values_on_the_way_back(page: Page, label: str) -> list[float]:
    """The values of a slider, now and after each undo, until nothing is left to undo."""
    slider, values = page.get_by_label(label).first, []
    for _ in range(10):
        values.append(float(slider.input_value()))
        if page.locator("#undo").get_attribute("aria-disabled") == "true":
            return values
        page.keyboard.press("Control+z")
    raise AssertionError(values)


def test_setting_a_slider_back_is_a_step_of_its_own(page: Page, tmp_path: Path) -> None:
    upload(page, image_file(tmp_path, "mine.png")[0])
    for key in ("End", "Delete", "Control+z"):
        page.get_by_label("Mouth Open").press(key)
    settle(page)
    assert page.locator("#title").text_content() == "mine.png"
    assert page.get_by_label("Mouth Open").input_value() == "1"


def test_a_double_click_is_one_step(page: Page) -> None:
    drag(page, "Eyeglasses", 0.9)
    page.wait_for_timeout(600)  # longer than two clicks that are a double click
    page.get_by_label("Eyeglasses").dblclick(position={"x": 10, "y": 10})
    now, before, start = values_on_the_way_back(page, "Eyeglasses")
    assert now == start == 0
    assert before > 0.5


def test_each_gesture_is_a_step(page: Page) -> None:
    slider = page.get_by_label("Eyeglasses")
    for key in (*["ArrowRight"] * 3, "ArrowLeft", "End"):
        slider.press(key)
    assert values_on_the_way_back(page, "Eyeglasses") == [1, 0.02, 0.03, 0]
    drag(page, "Eyeglasses", 0.9)
    page.wait_for_timeout(600)
    drag(page, "Eyeglasses", 0.3)
    assert [value > 0 for value in values_on_the_way_back(page, "Eyeglasses")] == [False, True, False]


def test_other_random_images_are_a_step(page: Page) -> None:
    first = page.locator("#strip button").first
    before = first.get_attribute("value")
    page.get_by_role("button", name="Draw others").click()
    assert first.get_attribute("value") != before
    page.keyboard.press("Control+z")
    assert first.get_attribute("value") == before


def test_an_edit_that_goes_too_far_is_reported(browser: Browser) -> None:
    vectors = torch.tensor([0.0, 30.0])[:, None].expand(2, D).contiguous()
    tried: dict[str, object] = {"tried": {}}
    directions = Directions(("Nothing", "Everything"), vectors, (tried, tried), Usual(9.0, 10.0, extremes=0.5))
    with served(tiny(), directions) as address, visited(browser, address) as page:
        press(page, "Nothing", "End")
        assert page.locator("#leaving").is_hidden()
        press(page, "Everything", "End")
        playwright.expect(page.locator("#leaving")).to_contain_text("bits/dim, where at most 10.00 are usual")
        press(page, "Everything", "Delete")
        playwright.expect(page.locator("#leaving")).to_be_hidden()


def test_a_page_whose_first_requests_fail_begins_with_a_random_image(browser: Browser, address: str) -> None:
    seeds = iter([500] * 3)  # the link's seed, as often as it's asked for
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/api/examples", lambda route: route.fulfill(status=500, json={"error": "It broke."}))
        page.route(
            "**/api/latent*",
            lambda route: route.fulfill(status=next(seeds)) if "seed=3" in route.request.url else route.continue_(),
        )
        page.goto(f"{address}/#seed=3")
        settle(page)
        playwright.expect(page.locator("#title")).to_contain_text("Random image")
        assert pixels(page).any()


def test_what_fails_is_asked_for_again(page: Page) -> None:
    fates = iter(["busy", "lost", "answered", "answered", "busy", "busy", "busy"])  # a preview, and three pictures

    def meet(route: Route) -> None:
        match next(fates, "answered"):
            case "busy":
                route.fulfill(status=503, headers={"Retry-After": "0"})
            case "lost":
                route.abort()
            case _:
                route.continue_()

    page.route("**/api/decode*", meet)
    before = pixels(page)
    press(page, "Mouth Open", "End")
    assert (pixels(page) != before).any()
    assert page.locator("#status").text_content() == ""
    press(page, "Mouth Open", "Delete")
    status(page, "answers with 503")
    press(page, "Eyeglasses", "End")
    assert (pixels(page) != before).any()


@contextmanager
def held(page: Page, pattern: str, most: int = 100) -> Iterator[None]:
    """The first few requests of an address get no answer before the end."""
    routes: list[Route] = []
    is_over = False

    def meet(route: Route) -> None:
        if is_over or len(routes) == most:
            route.continue_()
        else:
            routes.append(route)

    page.route(pattern, meet)
    yield
    is_over = True
    for route in routes:
        route.continue_()


def is_empty(page: Page, canvas: str) -> bool:
    return not pixels(page, canvas).any()


def test_a_picture_is_never_shown_as_anothers(page: Page, tmp_path: Path) -> None:
    upload(page, image_file(tmp_path, "first.png")[0])
    file, expected = image_file(tmp_path, "second.png", 1)
    canvases = ["#picture", "#reconstructed", "#first-thumb"]
    with held(page, "**/api/decode*"):
        page.set_input_files("#file", file)
        playwright.expect(page.locator("#title")).to_have_text("second.png")
        wait_for(lambda: np.array_equal(pixels(page, "#seen"), expected), page)
        assert all(is_empty(page, canvas) for canvas in canvases)
    settle(page)
    wait_for(lambda: all(np.array_equal(pixels(page, canvas), expected) for canvas in canvases), page)
    page.get_by_role("button", name="Undo").click()
    settle(page)
    assert page.locator("#title").text_content() == "first.png"
    assert all((pixels(page, canvas) != expected).any() for canvas in canvases)


def test_a_picture_that_fails_leaves_none(page: Page, tmp_path: Path) -> None:
    page.route("**/api/decode*", lambda route: route.fulfill(status=500, json={"error": "It broke."}))
    page.set_input_files("#file", image_file(tmp_path, "mine.png")[0])
    status(page, "It broke.")
    playwright.expect(page.locator("#title")).to_have_text("mine.png")
    assert is_empty(page, "#picture")


def test_an_upload_is_read_before_it_is_shown(page: Page, tmp_path: Path) -> None:
    title = page.locator("#title").text_content()
    before = pixels(page)
    with held(page, "**/api/encode*"):
        page.set_input_files("#file", image_file(tmp_path, "mine.png")[0])
        status(page, "Reading mine.png")
        assert page.locator("#title").text_content() == title
        np.testing.assert_array_equal(pixels(page), before)


def test_the_image_chosen_last_is_taken(page: Page, tmp_path: Path) -> None:
    slow, fast = (image_file(tmp_path, name)[0] for name in ("slow.png", "fast.png"))
    with held(page, "**/api/encode*", most=1):
        page.set_input_files("#file", slow)
        status(page, "Reading slow.png")
        upload(page, fast)
    page.wait_for_load_state("networkidle")
    press(page, "Mouth Open", "End")
    assert page.locator("#title").text_content() == "fast.png"


def test_the_role_is_that_when_the_image_was_chosen(page: Page, tmp_path: Path) -> None:
    title = page.locator("#title").text_content()
    page.get_by_label("to blend in").check(force=True)
    with held(page, "**/api/encode*"):
        page.set_input_files("#file", image_file(tmp_path, "mine.png")[0])
        status(page, "Reading mine.png")
        page.get_by_role("radio", name="to edit").check(force=True)
    status(page, "mine.png is the second image")
    assert page.locator("#title").text_content() == title


def test_a_class_can_be_undone_where_it_was_chosen(browser: Browser) -> None:
    with served(tiny(num_classes=3)) as address, visited(browser, address) as page:
        before = pixels(page)
        page.locator("#class").select_option("2")
        settle(page)
        after = pixels(page)
        wait_for(lambda: np.array_equal(pixels(page, "#first-thumb"), after), page)
        page.locator("#class").press("Control+z")
        settle(page)
        np.testing.assert_array_equal(pixels(page), before)
        wait_for(lambda: np.array_equal(pixels(page, "#first-thumb"), before), page)


def test_an_image_that_failed_once_can_be_chosen_again(page: Page) -> None:
    page.route("**/api/latent*", lambda route: route.fulfill(status=503, headers={"Retry-After": "0"}))
    page.get_by_role("button", name="Draw others").click()
    status(page, "answers with 503")
    page.unroute("**/api/latent*")
    button = page.locator("#strip button").first
    button.click()
    page.wait_for_function("value => location.hash.includes(`seed=${value}&`)", arg=button.get_attribute("value"))


def test_what_changes_nothing_is_no_step(page: Page) -> None:
    undo = page.locator("#undo")
    press(page, "Mouth Open", "Delete")
    page.get_by_role("button", name="as it is").first.click()
    page.evaluate("() => { location.hash = 'foo=1'; }")
    page.wait_for_function("() => location.hash.startsWith('#seed')")
    assert undo.get_attribute("aria-disabled") == "true"
    press(page, "Mouth Open", "End")
    undo.press("Enter")
    settle(page)
    assert undo.get_attribute("aria-disabled") == "true"
    assert page.evaluate("document.activeElement.id") == "undo"
    undo.press("Enter")
    playwright.expect(page.locator("#redo")).to_have_attribute("aria-disabled", "false")


def test_the_temperature_is_one(page: Page, tmp_path: Path) -> None:
    upload(page, image_file(tmp_path, "mine.png")[0])
    temperature = page.locator("#temperature")
    page.wait_for_function("() => document.querySelector('#strip canvas').width === 16")
    before = pixels(page, "#strip canvas")
    temperature.press("End")
    press(page, "Mouth Open", "ArrowRight")
    assert temperature.input_value() == "1.2"
    page.locator("#strip button").first.click()
    playwright.expect(page.locator("#description")).to_have_text("Drawn at temperature 1.20")
    for _ in range(3):
        page.get_by_role("button", name="Undo").click()
    assert temperature.input_value() == "0.7"
    wait_for(lambda: np.array_equal(pixels(page, "#strip canvas"), before), page)


def test_dragging_shows_pictures_on_the_way(page: Page) -> None:
    listen = """() => { window.shown = [];
        document.querySelector("#picture").addEventListener("shown", (e) => shown.push(e.detail.isSettled)); }"""
    page.evaluate(listen)
    box = page.get_by_label("Mouth Open").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for step in range(10):
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.04 * step), y)
        page.wait_for_timeout(40)
    page.mouse.up()
    settle(page)
    shown = page.evaluate("window.shown")
    assert shown.count(False) >= 3
    assert shown[-1] is True


def test_an_upload_is_reconstructed_and_judged(page: Page, tmp_path: Path) -> None:
    file, expected = image_file(tmp_path, "mine.png")
    upload(page, file)
    np.testing.assert_array_equal(pixels(page), expected)
    playwright.expect(page.locator("#measure")).to_contain_text("Reconstructed exactly, every pixel.")
    playwright.expect(page.locator("#bits")).to_contain_text("bits/dim (usual: 1.00 to 2.00).")
    playwright.expect(page.locator("#verdict")).to_contain_text("unlike the usual images (faces)")
    assert "#" not in page.url
    page.get_by_role("button", name="Share").click()
    status(page, "save the latents")


def test_an_image_to_blend_in_is_judged(page: Page, tmp_path: Path) -> None:
    page.get_by_label("to blend in").check(force=True)
    page.set_input_files("#file", image_file(tmp_path, "mine.png")[0])
    status(page, "unlike the usual images")


def test_a_large_image_is_reduced(page: Page) -> None:
    script = """async ([width, height]) => { const { reduced } = await import("./static/files.js");
        const canvas = new OffscreenCanvas(width, height);
        canvas.getContext("2d").fillRect(0, 0, 9, 9);
        const file = new File([await canvas.convertToBlob({ type: "image/jpeg" })], "a.jpg", { type: "image/jpeg" });
        const { body } = await reduced(file, 2048);
        const { width: w, height: h } = await createImageBitmap(body);
        return [w, h, body.type, body === file]; }"""
    assert page.evaluate(script, [4096, 3000]) == [2048, 1500, "image/jpeg", False]
    assert page.evaluate(script, [2048, 100]) == [2048, 100, "image/jpeg", True]


def test_what_cannot_be_uploaded_is_said(page: Page, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no image")
    page.set_input_files("#file", tmp_path / "text.txt")
    status(page, "isn't a kind of image")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with page.expect_response("**/api/encode*") as response:
        page.set_input_files("#file", tmp_path / "broken.jpg")
    assert response.value.status == 422
    status(page, "can't be read as an image")


def test_an_image_is_what_its_first_bytes_say(page: Page, tmp_path: Path) -> None:
    file, content = image_file(tmp_path, "mine.png")
    upload(page, file.rename(tmp_path / "mine.jpg"))
    np.testing.assert_array_equal(pixels(page), content)


def test_blending_and_levels(page: Page) -> None:
    before = pixels(page)
    page.get_by_role("button", name="Random second").click()
    status(page, "is the second image")
    settle(page)
    assert (pixels(page) != before).any()
    page.locator("#blend").press("End")
    settle(page)
    np.testing.assert_array_equal(pixels(page), pixels(page, "#second-thumb"))
    page.locator("#blend").press("Home")
    settle(page)
    np.testing.assert_array_equal(pixels(page), before)
    for level in page.locator("#levels .level").all():
        level.get_by_role("button", name="from the second").click()
        settle(page)
    np.testing.assert_array_equal(pixels(page), pixels(page, "#second-thumb"))
    page.locator("#levels .level").last.get_by_role("button", name="as it is").click()
    settle(page)
    mixed = pixels(page)
    page.get_by_role("button", name="Swap").click()
    settle(page)
    np.testing.assert_array_equal(pixels(page), mixed)
    page.get_by_role("button", name="Swap").click()
    page.get_by_role("button", name="Reset").click()
    settle(page)
    np.testing.assert_array_equal(pixels(page), before)
    page.locator("#levels .level").last.get_by_role("button", name="redrawn").click()
    page.wait_for_function("() => location.hash.includes('level0')")
    settle(page)
    assert (pixels(page) != before).any()


def test_a_link_leads_to_the_same_image(page: Page, browser: Browser) -> None:
    page.locator("#strip button").nth(3).click()
    settle(page)
    page.get_by_role("button", name="Random second").click()
    status(page, "is the second image")
    page.get_by_label("spherical").check(force=True)
    press(page, "Eyeglasses", "ArrowLeft", 7)
    page.locator("#levels .level").last.get_by_role("button", name="redrawn").click()
    page.wait_for_function("() => location.hash.includes('level0')")
    settle(page)
    page.get_by_role("button", name="Share").click()
    status(page, "address bar")
    with visited(browser, page.url) as other:
        np.testing.assert_array_equal(pixels(other), pixels(page))
        assert other.get_by_label("Eyeglasses").input_value() == "-0.07"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("seed=5&t=99", "t=99 (it takes a number from 0 to 1.2)."),
        ("seed=5&a.Mouth_Open=x", "a.Mouth_Open=x (it takes a number from -1 to 1)."),
        ("seed=5&a.No=1", "The link has parts that were ignored: a.No=1 (this model has no such attribute)."),
        ("seed=5&level7=3&t=1", "level7=3 (this model has no such level)."),
        ("seed=5&class=1", "class=1 (this model has no classes)."),
        ("seed=5&second=-3", "second=-3 (it takes a whole number)."),
        ("seed=5&blend=0.5&level0=other", "level0=other (it takes a seed)"),
        ("seed=5&blend=0.5", "blend=0.5 (the link names no second image)."),
        ("seed=5&second=6&blend=7&path=bent", "path=bent (it takes linear or spherical)."),
        ("seed=5&seed=6&%zz&" + "x" * 99, "seed=6 (it is unknown, or was given before), %zz="),
        ("seed=5&a=1&b=1&c=1&d=1&e=1&f=1", "and 2 more."),
        ("seed=five&t=0.7", "This link names no image"),
        ("seed=5&t=0.7", ""),
    ],
)
def test_a_link_says_what_of_it_is_ignored(browser: Browser, address: str, link: str, said: str) -> None:
    with visited(browser, f"{address}/#{link}") as page:
        if said:
            status(page, said)
        assert (page.locator("#title").text_content() == "Random image 5") is link.startswith("seed=5")
        page.evaluate("() => { location.hash = 'seed=8&t=0.7&a.No=1'; }")
        playwright.expect(page.locator("#title")).to_have_text("Random image 8")
        status(page, "a.No=1 (this model has no such attribute)")


def test_a_link_to_another_number_of_classes(browser: Browser) -> None:
    with served(tiny(num_classes=3)) as address, visited(browser, f"{address}/#seed=5&class=7") as page:
        status(page, "class=7 (it takes a whole number from 0 to 2)")
        assert page.locator("#class").input_value() == "0"


def test_skipping_to_the_controls_is_no_link_to_an_image(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'panels'")
    page.wait_for_function("() => location.hash.startsWith('#seed=')")
    assert page.locator("#status").text_content() == ""


def test_what_is_saved(page: Page, tmp_path: Path) -> None:
    press(page, "Mouth Open", "End")
    shown = pixels(page)
    files = {}
    for name in ("Image (PNG)", "Image, enlarged (PNG)", "Animation (WebP)", "Latents (.f64)"):
        page.locator("#downloads summary").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        status(page, f"Saved as {download.value.suggested_filename}")
        files[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[name])
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    np.testing.assert_array_equal(np.asarray(Image.open(files["Image (PNG)"])), shown)
    enlarged = np.asarray(Image.open(files["Image, enlarged (PNG)"]).convert("RGB"))
    np.testing.assert_array_equal(enlarged, shown.repeat(32, axis=0).repeat(32, axis=1))
    with Image.open(files["Animation (WebP)"]) as animation:
        assert animation.n_frames > 10  # type: ignore[attr-defined]
    latents = files["Latents (.f64)"]
    assert latents.stat().st_size == 8 * D
    page.get_by_role("button", name="Reset").click()
    page.set_input_files("#latents-file", latents)
    page.wait_for_function("name => document.querySelector('#title').textContent === name", arg=latents.name)
    settle(page)
    np.testing.assert_array_equal(pixels(page), shown)


def test_a_slider_of_ones_own(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#with input", [image_file(tmp_path, f"{i}.png", i)[0] for i in range(3)])
    playwright.expect(page.locator("#with li")).to_have_count(3)
    page.set_input_files("#without input", [image_file(tmp_path, f"{i}.png", i)[0] for i in range(3, 5)])
    playwright.expect(page.locator("#without li")).to_have_count(2)
    page.locator("#make-name").fill("Noisy in a way")
    page.get_by_role("button", name="Make the slider").click()
    status(page, "is now at the top of the attributes")
    before = pixels(page)
    press(page, "Noisy in a way", "End")
    assert (pixels(page) != before).any()
    assert page.locator("#sliders .slider > span:first-child").first.text_content() == "Noisy in a way"
    page.reload()
    settle(page)
    press(page, "Noisy in a way", "End")
    page.get_by_role("button", name="Delete the slider").click()
    playwright.expect(page.get_by_label("Noisy in a way")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    playwright.expect(page.locator("#description")).to_contain_text("Noisy in a way +1.00")
    assert page.locator("#sliders").get_by_label("Noisy in a way").first.input_value() == "1"


def test_a_browser_that_keeps_nothing(browser: Browser, address: str, tmp_path: Path) -> None:
    with visited(browser, address) as page:
        page.context.add_init_script(
            "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('none'); } })"
        )
        page.reload()
        settle(page)
        for side in ("#with", "#without"):
            page.set_input_files(f"{side} input", image_file(tmp_path, f"{side[1:]}.png", len(side))[0])
            playwright.expect(page.locator(f"{side} li")).to_have_count(1)
        page.get_by_label("Name").fill("Grain")
        page.get_by_role("button", name="Make the slider").click()
        status(page, "is now at the top")


def test_a_slider_of_ones_own_from_the_page(page: Page) -> None:
    page.locator("#offers button").last.click()
    status(page, "is among the images with it: 1 so far")
    page.locator("#offers button").last.click()
    status(page, "is already among the images with it")
    page.get_by_role("button", name="Take the image shown").click()
    page.get_by_label("without it", exact=True).check(force=True)
    page.get_by_role("button", name="Random second").click()
    status(page, "is the second image")
    page.get_by_role("button", name="Take the second image").click()
    press(page, "Mouth Open", "End")
    page.get_by_role("button", name="Take the image shown").click()
    status(page, ", edited is among the images without it: 2 so far")
    wait_for(lambda: np.array_equal(pixels(page, "#without li:last-child canvas"), pixels(page)), page)
    assert [page.locator(f"{side} li").count() for side in ("#with", "#without")] == [2, 2]
    page.keyboard.press("Control+z")
    assert page.locator("#without li").count() == 1
    page.get_by_label("Name").fill("With")
    page.get_by_role("button", name="Make the slider").click()
    status(page, "is now at the top")
    page.keyboard.press("Control+z")
    assert [page.locator(f"{side} li").count() for side in ("#with", "#without")] == [2, 1]
    playwright.expect(page.locator("#sliders .own")).to_have_count(0)


@pytest.fixture(scope="module", name="two_labels")
def _two_labels() -> Iterator[str]:
    direction = 0.5 * torch.randn(1, D, generator=torch.Generator().manual_seed(1))
    directions = Directions(("mit_Hut", "ohne_Hut"), torch.cat([direction, -2 * direction]), ({}, {}))
    with served(tiny(), directions) as address:
        yield address


def test_two_labels_have_one_slider(browser: Browser, two_labels: str) -> None:
    with visited(browser, two_labels) as page:
        slider = page.locator("#sliders input")
        assert page.locator("#sliders .slider span:not(.value)").all_text_contents() == ["ohne Hut", "mit Hut"]
        press(page, "ohne Hut to mit Hut", "ArrowRight", 3)
        assert "a.mit_Hut=0.03" in page.url
        press(page, "ohne Hut to mit Hut", "Home")
        assert "a.ohne_Hut=1" in page.url
        assert "mit_Hut" not in page.url
        playwright.expect(page.locator("#description")).to_contain_text("ohne Hut +1.00")
        at_the_left = pixels(page)
        press(page, "ohne Hut to mit Hut", "Delete")
        assert slider.input_value() == "0"
        with visited(browser, page.url + "&a.ohne_Hut=1") as other:
            assert other.locator("#sliders input").input_value() == "-1"
            np.testing.assert_array_equal(pixels(other), at_the_left)


def below(app: ASGIApp) -> ASGIApp:
    """A proxy that serves the page below a path, which it removes from requests."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith("/some/path/")
            scope = {**scope, "path": scope["path"].removeprefix("/some/path")}
        await app(scope, receive, send)

    return proxy


def test_it_works_below_a_path(browser: Browser, tmp_path: Path) -> None:
    with served(tiny(), around=below) as address, visited(browser, f"{address}/some/path/?token=1") as page:
        assert page.url.startswith(f"{address}/some/path/?token=1#seed=")
        page.locator("#strip button").first.click()
        page.get_by_role("button", name="Random second").click()
        status(page, "is the second image")
        upload(page, image_file(tmp_path, "mine.png")[0])
        assert page.url == f"{address}/some/path/?token=1"
        with page.expect_response("**/some/path/openapi.json"):
            page.get_by_role("link", name="API").click()


def test_temperature_zero_is_the_mean(page: Page) -> None:
    first = page.locator("#strip button").nth(1)
    first.click()
    page.locator("#temperature").press("Home")
    settle(page)
    mean = pixels(page)
    page.locator("#strip button").nth(2).click()
    settle(page)
    np.testing.assert_array_equal(pixels(page), mean)


@pytest.mark.parametrize("width", [320, 375, 700, 1000])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_warning_is_in_the_window_beside_the_picture(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    upload(page, image_file(tmp_path, "mine.png")[0])
    for part in ("#picture", "#verdict"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 720


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (640, 450), (320, 256)])
def test_a_slider_with_the_focus_is_not_covered(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    covered = """() => [...document.querySelectorAll("#sliders input")].filter((input) => {
        scrollBy(0, input.getBoundingClientRect().top - 5);
        input.focus();
        const { x, y, width, height } = input.getBoundingClientRect();
        return document.elementFromPoint(x + width / 2, y + height / 2) !== input; }).length"""
    assert page.evaluate(covered) == 0


def test_every_control_has_a_name(page: Page) -> None:
    nameless = """() => [...document.querySelectorAll("button, input, select, summary")].filter((e) =>
        !(e.textContent.trim() || e.ariaLabel || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML)"""
    assert page.evaluate(nameless) == []


def test_other_models(browser: Browser, tmp_path: Path) -> None:
    file, _ = image_file(tmp_path, "any.png")
    with served(tiny(image_shape=(1, 8, 16), num_classes=3)) as address, visited(browser, address) as page:
        playwright.expect(page.locator("#attributes")).to_contain_text("Make your own slider")
        before = pixels(page)
        page.locator("#class").select_option("2")
        settle(page)
        assert (pixels(page) != before).any()
        assert before.shape == (8, 16, 3)
        upload(page, file)
        playwright.expect(page.locator("#measure")).to_contain_text("Reconstructed exactly")
    with served(tiny(image_shape=(5, 8, 8))) as address, visited(browser, address) as page:
        assert not page.locator("#upload").is_visible()


def test_the_arithmetic_is_that_of_the_package(page: Page) -> None:
    script = """async () => { const l = await import("./static/latents.js");
        const [a, b] = [Float64Array.of(0, 2, 1), Float64Array.of(4, 0, -1)];
        return [l.between(a, b, 0.25, "linear"), l.between(a, b, 0.25, "spherical"), l.difference([a, b], [b]),
                l.moved(a, [[b, 0.5]]), l.mixed([a, b], [{start: 0, end: 1}, {start: 1, end: 3}])]
            .map((z) => [...z]); }"""
    linear, spherical, difference, moved, mixed = page.evaluate(script)
    ends = torch.tensor([[0.0, 2, 1], [4, 0, -1]], dtype=torch.float64)
    np.testing.assert_allclose(linear, interpolate(ends[0], ends[1], 5)[1])
    np.testing.assert_allclose(spherical, interpolate(ends[0], ends[1], 5, "spherical")[1])
    np.testing.assert_allclose(difference, [-2, 1, 1])
    np.testing.assert_allclose(moved, [2, 2, 0.5])
    np.testing.assert_allclose(mixed, [0, 0, -1])
