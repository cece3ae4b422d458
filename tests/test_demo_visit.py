"""What a visitor of the page tries first, with each engine: the server, and the exported page's worker."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from glowflow.data import Dataset
from glowflow.demo.examples import described
from glowflow.images import quantize
from glowflow.latents import Directions, Usual
from glowflow.model import FrozenGlow
from glowflow.scoring.codecs import WEBP
from glowflow.scoring.colours import coloured
from glowflow.scoring.heat import heats
from glowflow.scoring.reference import Reference
from glowflow.scoring.statistics import statistics
from glowflow.scoring.where import UsualBits
from tests.browser import (
    assert_accessible,
    pixels,
    playwright,
    press,
    settle,
    status,
    visited,
    wait_for,
)
from tests.helpers import calm
from tests.test_demo_page import D, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NUM_EXAMPLES = 5


def smooth(num: int, seed: int) -> Dataset:
    """Images with few colours, each from another value on."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 200, (num, 1, 1, 3)) + rng.integers(0, 40, (num, 16, 16, 3))
    return Dataset("smooth", "test", images.astype(np.uint8))


def examples(num: int = NUM_EXAMPLES) -> Dataset:
    return smooth(num, 1)


def seen(number: int) -> NDArray[np.uint8]:
    """What a model of 5 bits sees of an example."""
    return quantize(torch.from_numpy(examples().images[number]), 5).numpy()


def digest_of(number: int) -> str:
    """What links call an example."""
    return str(described(examples(), calm())["images"][number]["digest"])


def sliders() -> Directions:
    """Two directions, along which edits stay usual to different ends."""
    vectors = 0.5 * torch.randn(3, D, generator=torch.Generator().manual_seed(1))
    about: tuple[dict[str, list[float]], ...] = ({"range": [-0.5, 1.0]}, {"range": [-1.0, 0.25]}, {})
    return Directions(("Smiling", "Black_Hair", "Scarf"), vectors, about, Usual(20.0, 30.0))


def usual_bits(glow: FrozenGlow) -> UsualBits:
    return UsualBits.of(glow, smooth(40, 0))


def reference(glow: FrozenGlow) -> Reference:
    found = Reference.of(statistics(glow, smooth(120, 0), [WEBP]), [WEBP], "smooth")
    return replace(found, where=usual_bits(glow))


@pytest.fixture(scope="module", name="address", params=["server", "browser"])
def _address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    glow = calm()
    if request.param == "browser":
        from tests.test_export_web import exported  # noqa: PLC0415  onnx may be missing

        yield from exported(glow, tmp_path_factory.mktemp("page"), sliders(), examples(), usual_bits(glow))
    else:
        with served(glow, sliders(), reference=reference(glow), examples=examples()) as address:
            yield f"{address}/"


@pytest.fixture(name="page")
def _page(browser: Browser, address: str) -> Iterator[Page]:
    with visited(browser, address) as page:
        yield page


# Examples


def test_it_opens_on_an_example(page: Page) -> None:
    playwright.expect(page.locator("#title")).to_have_text("Test image 1")
    np.testing.assert_array_equal(pixels(page), seen(0))
    assert page.locator("#examples button").count() == NUM_EXAMPLES
    assert page.locator("#examples [aria-pressed=true]").get_attribute("value") == "0"
    wait_for(lambda: np.array_equal(pixels(page, "#examples button:last-child canvas"), seen(NUM_EXAMPLES - 1)), page)
    assert page.url.endswith(f"#example={digest_of(0)}&t=0.7")


def test_a_link_leads_to_an_edited_example(page: Page, browser: Browser) -> None:
    page.locator("#examples button").nth(2).click()
    playwright.expect(page.locator("#title")).to_have_text("Test image 3")
    press(page, "Smiling", "ArrowRight", 9)
    page.get_by_label("to blend in").check(force=True)
    page.locator("#examples button").nth(4).click()
    status(page, "Test image 5 is the second image")
    page.locator("#levels .level").last.get_by_role("button", name="redrawn").click()
    page.wait_for_function("() => location.hash.includes('level0')")
    settle(page)
    assert f"#example={digest_of(2)}&t=0.7&second-example={digest_of(4)}&blend=0.5" in page.url
    with visited(browser, page.url) as other:
        np.testing.assert_array_equal(pixels(other), pixels(page))
        assert other.locator("#title").text_content() == "Test image 3"


def test_a_link_to_no_example(browser: Browser, address: str) -> None:
    with visited(browser, f"{address}#example=9") as page:
        status(page, "This link names no image")
        assert page.locator("#title").text_content() == "Test image 1"
    with visited(browser, f"{address}#seed=3&second-example=0") as page:
        status(page, "second-example=0 (this page has no such test image)")


def labelled() -> Dataset:
    return Dataset("smooth", "test", examples().images, np.arange(NUM_EXAMPLES) % 3, ("a", "b", "c"))


def test_an_example_brings_its_class(browser: Browser) -> None:
    with served(calm(num_classes=3), examples=labelled()) as address, visited(browser, address) as page:
        page.locator("#examples button").nth(2).click()
        playwright.expect(page.locator("#title")).to_have_text("Test image 3")
        settle(page)
        assert page.locator("#class").input_value() == "2"
        np.testing.assert_array_equal(pixels(page), seen(2))
        with visited(browser, f"{address}/#example={digest_of(2)}") as other:
            assert other.locator("#class").input_value() == "2"
            np.testing.assert_array_equal(pixels(other), seen(2))


@pytest.mark.parametrize("engine", ["server", "browser"])
def test_labels_mean_nothing_to_a_model_without_classes(engine: str, browser: Browser, tmp_path: Path) -> None:
    def visit(address: str) -> None:
        with visited(browser, address) as page:
            for number in (0, 2):
                page.locator("#examples button").nth(number).click()
                playwright.expect(page.locator("#title")).to_have_text(f"Test image {number + 1}")
                settle(page)
                np.testing.assert_array_equal(pixels(page), seen(number))

    if engine == "server":
        with served(calm(), examples=labelled()) as address:
            visit(address)
    else:
        from tests.test_export_web import exported  # noqa: PLC0415  onnx may be missing

        for address in exported(calm(), tmp_path, examples=labelled()):
            visit(address)


def test_an_example_is_shown_before_its_latents_are_decoded(page: Page) -> None:
    """Whatever must be loaded or computed for that. (Here the canvas is never cleared for being late.)"""
    script = """async (text) => {
        globalThis.setTimeout = () => 0;
        const [{ Painter }, { png }] = [await module("painter.js"), await module("base64.js")];
        const painter = new Painter(document.createElement("canvas"), () => {});
        const turned = new Promise((resolve) => painter.canvas.addEventListener("turned", resolve));
        painter.show(new Float64Array(1), null, true, {}, {}, png(text)); // its latents can't be decoded
        await turned;
        return painter.canvas.width; }"""
    file = BytesIO()
    Image.new("RGB", (7, 7)).save(file, "png")
    assert page.evaluate(script, base64.b64encode(file.getvalue()).decode()) == 7


def test_an_example_that_fails_leaves_a_random_image(browser: Browser) -> None:
    with served(calm(), examples=examples()) as address:
        page = browser.new_page()
        page.route("**/api/encode*", lambda route: route.fulfill(status=500, json={"error": "It broke."}))
        page.goto(address)
        status(page, "Test image 1: It broke.")
        playwright.expect(page.locator("#title")).to_contain_text("Random image")
        page.close()


# Before and after


def shot(page: Page) -> NDArray[np.int64]:
    """The picture as it is on the screen, (H, W, 3), without its corners."""
    content = page.locator("#picture").screenshot()
    image = np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(int)
    rows, columns = image.shape[0] // 8, image.shape[1] // 8
    return image[rows : 3 * rows, columns:-columns]  # above the handle


def assert_alike(one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
    assert np.abs(one - other).max() < 10  # browsers smooth a canvas on a canvas a little differently


def test_a_handle_wipes_between_before_and_after(page: Page) -> None:
    compare, wipe = page.get_by_role("button", name="Compare"), page.locator("#wipe")
    assert compare.get_attribute("aria-disabled") == "true"
    before = shot(page)
    press(page, "Smiling", "End")
    after = shot(page)
    compare.click()
    settle(page)
    wait_for(lambda: np.array_equal(pixels(page, "#before"), seen(0)), page)
    both, width = shot(page), before.shape[1]
    left, right = slice(0, width // 2 - 30), slice(width // 2 + 30, width)  # within a pixel of the image it's smoothed
    assert_alike(both[:, left], before[:, left])
    assert_alike(both[:, right], after[:, right])
    assert np.abs(before - after)[:, left].max() > 50
    wipe.press("End")
    assert_alike(shot(page), before)
    wipe.press("Home")
    assert_alike(shot(page), after)
    assert wipe.get_attribute("aria-valuetext") == "0% of the picture is before the edits"
    page.get_by_role("button", name="Reset").click()
    playwright.expect(wipe).to_be_hidden()
    assert compare.get_attribute("aria-pressed") == "false"


def test_the_handle_follows_a_finger(browser: Browser, address: str) -> None:
    visitor = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = visitor.new_page()
    page.goto(address)
    settle(page)
    press(page, "Smiling", "End")
    page.get_by_role("button", name="Compare").tap()
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    wait_for(lambda: abs(float(page.locator("#wipe").input_value()) - 80) < 5, page)
    visitor.close()


# Surprises


def strengths(page: Page) -> dict[str, float]:
    found = {name: float(page.get_by_label(name).first.input_value()) for name in ("Smiling", "Black Hair", "Scarf")}
    return {name: value for name, value in found.items() if value}


def test_a_surprise_moves_a_few_sliders_within_their_ranges(page: Page) -> None:
    ends = {"Smiling": (-0.5, 1.0), "Black Hair": (-1.0, 0.25), "Scarf": (-1.0, 1.0)}
    for _ in range(5):
        page.get_by_role("button", name="Surprise me").click()
        page.wait_for_function("() => location.hash.includes('a.')")
        found = strengths(page)
        assert 1 <= len(found) <= 3
        assert all(ends[name][0] < value < ends[name][1] for name, value in found.items())
        settle(page)
        page.keyboard.press("Control+z")
        assert strengths(page) == {}


def test_a_surprise_leaves_out_what_could_not_be_seen(page: Page) -> None:
    script = """async () => { const { movable, surprising } = await module("surprise.js");
        const ranges = [[0, 0], [-0.1, 0.1], [-0.1, 1], [-0.25, 0], null];
        const all = ranges.map((range, i) => ({ range, vector: [1], strengthsOf: (value) => ({ [i]: value }) }));
        const found = movable(all);
        const values = await Promise.all(found.map((slider) => surprising([slider], async () => true, () => 0.9)));
        return [found.map(({ range }) => range), values]; }"""
    found, values = page.evaluate(script)
    assert found == [[-0.1, 1], [-0.25, 0], None]
    assert [round(value, 2) for each in values for value in each.values()] == [0.76, -0.19, -0.76]


def test_a_surprise_goes_less_far_if_the_picture_would_be_unusual(page: Page) -> None:
    script = """async () => { const { surprising } = await module("surprise.js");
        const vectors = [[1, 0], [0, 1], [-1, 0.1]];
        const all = vectors.map((vector, i) => ({ vector, range: [-1, 1], strengthsOf: (value) => ({ [i]: value }) }));
        const tried = [];
        const found = await surprising(all, async (some) => tried.push(some) > 2, () => 0.9);
        return [tried, found]; }"""
    tried, found = page.evaluate(script)
    assert len(tried) == 3
    assert found == tried[-1]
    assert not {"0", "2"} <= found.keys()  # they would undo each other
    sizes = [sum(map(abs, some.values())) for some in tried]
    assert all(after < before for before, after in pairwise(sizes))


# Playing


def stop_clock(page: Page) -> None:
    """From now on, time passes only as the test says."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)


def test_the_blend_plays_there_and_back(page: Page) -> None:
    before = pixels(page)
    page.clock.install()
    play, blend = page.locator("#play"), page.locator("#blend")
    play.click()
    status(page, "is the second image")
    playwright.expect(play).to_have_text("Pause")
    stop_clock(page)
    values = []
    for _ in range(20):
        page.clock.run_for(500)
        values.append(float(blend.input_value()))
    assert min(values) < 0.1
    assert max(values) > 0.9
    assert len(set(values)) > 10
    play.press("Enter")
    playwright.expect(play).to_have_text("Play")
    paused = blend.input_value()
    page.clock.run_for(2000)
    assert blend.input_value() == paused
    assert f"blend={float(paused):g}&" in page.url
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.clock.resume()
    settle(page)
    np.testing.assert_array_equal(pixels(page), before)


def test_it_plays_in_still_steps_for_those_who_want_little_motion(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.clock.install()
    page.locator("#play").click()
    status(page, "is the second image")
    stop_clock(page)
    values = []
    for _ in range(30):
        page.clock.run_for(500)
        values.append(float(page.locator("#blend").input_value()))
    assert {round(4 * value, 1) for value in values} <= {0, 1, 2, 3, 4}
    assert sum(one != two for one, two in pairwise(values)) <= 10


def test_a_moved_slider_stops_what_plays(page: Page) -> None:
    page.locator("#play").click()
    playwright.expect(page.locator("#play")).to_have_text("Pause")
    press(page, "Smiling", "ArrowRight")
    playwright.expect(page.locator("#play")).to_have_text("Play")


# How usual the picture is


def test_a_picture_is_judged(page: Page) -> None:
    verdict, bits = page.locator("#verdict"), page.locator("#bits")
    playwright.expect(bits).to_contain_text("(usual: 1.00 to 2.00).")
    first = bits.text_content()
    if "bits/dim alone" not in page.locator("#judges").inner_text():
        playwright.expect(verdict).to_contain_text("of 100 unseen images of faces, ")
    press(page, "Scarf", "End")
    wait_for(lambda: bits.text_content() != first, page)


def test_a_map_shows_where_the_picture_is_unusual(page: Page) -> None:
    playwright.expect(page.locator("#heat-caption")).to_have_text("deviations above usual bits")
    assert page.locator("#heat-low").inner_text() == "0.0"
    assert float(page.locator("#heat-high").inner_text()) >= 5
    (right,) = heat_of(seen(0))
    wait_for(lambda: pixels(page, "#heat").shape == right.shape, page)
    wait_for(lambda: np.abs(pixels(page, "#heat").astype(int) - right).max() < 8, page)
    press(page, "Scarf", "End")
    wait_for(lambda: np.abs(pixels(page, "#heat").astype(int) - right).max() > 20, page)


def heat_of(image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The map (H, W, 3) of an image by the library."""
    glow, one = calm(), Dataset("one", "test", image[None])
    for _, unusual in heats(glow, one, [0], usual_bits(glow)):
        yield coloured(unusual.shares)


def test_nothing_keeps_people_from_using_it(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    playwright.expect(page.locator("#heat-caption")).to_be_visible()
    assert_accessible(page)
    playwright.expect(page.locator("#heat-caption")).to_be_visible()  # in a narrow window, too
    page.get_by_text("What do the words mean?").click()
    page.get_by_role("button", name="Random second").click()
    status(page, "is the second image")
    press(page, "Smiling", "Home")  # beyond its range
    page.get_by_role("button", name="Compare").click()
    page.locator("#downloads summary").click()
    page.locator("#offers button").first.click()
    status(page, "is among the images with it")
    settle(page)
    assert_accessible(page)


def test_a_random_image_is_judged_too(page: Page) -> None:
    page.locator("#strip button").first.click()
    settle(page)
    playwright.expect(page.locator("#bits")).to_be_visible()
    playwright.expect(page.locator("#bits")).to_contain_text("bits/dim")


# Where edits stay usual


def test_a_slider_is_marked_where_edits_stay_usual(page: Page) -> None:
    smiling = page.get_by_label("Smiling").first
    press(page, "Smiling", "End")
    assert smiling.get_attribute("aria-valuetext") == "1.00"
    press(page, "Smiling", "Home")
    assert smiling.get_attribute("aria-valuetext") == "\N{MINUS SIGN}1.00, further than usual"
    ends = """input => ["--least", "--most"].map((name) => input.style.getPropertyValue(name))"""
    assert smiling.evaluate(ends) == ["25%", "100%"]
    assert page.get_by_label("Scarf").first.evaluate(ends) == ["", ""]
    playwright.expect(page.locator("#range-hint")).to_be_visible()


# Words


def test_words_are_explained(page: Page) -> None:
    page.get_by_text("What do the words mean?").click()
    for word in ("Temperature", "Bits/dim", "Levels"):
        playwright.expect(page.locator("dt", has_text=word)).to_be_visible()
    assert "trained on faces" in page.locator("#about").inner_text()


def test_nothing_is_wider_than_the_window(page: Page) -> None:
    press(page, "Smiling", "End")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("What do the words mean?").click()
    for width in (1600, 768, 360, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
