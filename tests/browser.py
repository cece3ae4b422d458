"""What tests of pages in a headless Chromium share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.chromium import OPTIONS, SHELL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright

playwright = pytest.importorskip(
    "playwright.sync_api", reason="pages are tested with playwright, which isn't installed"
)

WEBGPU = [option for option in OPTIONS if option != "--disable-gpu"]
WEBGPU += ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader"]
"""Options for a browser whose graphics card is the processor."""
PATIENCE = 60_000
"""Milliseconds, for a machine on which much else runs."""
playwright.expect.set_options(timeout=PATIENCE)
MODULES = """globalThis.addressOf = (name) => new URL(name, document.querySelector("script[type=module]").src);
globalThis.module = (name) => import(addressOf(name));"""
"""Functions for scripts of tests: the address of a module of the page, and the module itself."""
AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def chromium(browsers: Playwright, options: Sequence[str] = OPTIONS) -> Iterator[Browser]:
    """The browser in which pages are tested."""
    if SHELL is None:
        pytest.skip("pages are tested in Chromium, and none is installed")
    browser = browsers.chromium.launch(executable_path=SHELL, args=options)
    yield browser
    browser.close()


@contextmanager
def visited(browser: Browser, address: str) -> Iterator[Page]:
    """A page that has loaded. At the end it must have logged no error. Its files aren't kept for later."""
    visitor = browser.new_context(viewport={"width": 1280, "height": 900}, service_workers="block")
    visitor.add_init_script(MODULES)
    page = visitor.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    settle(page)
    yield page
    visitor.close()
    assert complaints == []


def is_complaint(message: ConsoleMessage) -> bool:
    return message.type == "error" and "Failed to load resource" not in message.text  # the browser's note on a refusal


def settle(page: Page) -> None:
    page.wait_for_selector("#picture[aria-busy=false]")


def pixels(page: Page, canvas: str = "#picture") -> NDArray[np.uint8]:
    """The pixels of a canvas, (H, W, C)."""
    script = """selector => { const canvas = document.querySelector(selector);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [canvas.height, canvas.width, [...data]]; }"""
    height, width, data = page.evaluate(script, canvas)
    return np.array(data, np.uint8).reshape(height, width, 4)[:, :, :3]


def wait_for(is_so: Callable[[], bool], page: Page) -> None:
    """Wait until a condition holds."""
    for _ in range(PATIENCE // 100):
        if is_so():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"It's not so after {PATIENCE // 1000} seconds.")


def status(page: Page, text: str) -> None:
    playwright.expect(page.locator("#status")).to_contain_text(text)


def upload(page: Page, file: Path) -> None:
    page.set_input_files("#file", file)
    page.wait_for_function("name => document.querySelector('#title').textContent === name", arg=file.name)
    settle(page)


def press(page: Page, label: str, key: str, times: int = 1) -> None:
    for _ in range(times):
        page.get_by_label(label, exact=False).first.press(key)
    settle(page)


APPEARANCES: list[tuple[Literal["light", "dark"], int, int]] = [
    (colours, width, height) for colours in ("light", "dark") for width, height in ((1280, 900), (390, 844))
]
"""Colours and sizes of the window in which pages are checked by `assert_accessible`."""


def assert_accessible(page: Page) -> None:
    """axe-core finds nothing on the page that keeps people from using it, in all of its appearances."""
    if not AXE.is_file():
        pytest.skip("npm's axe-core isn't installed (npm install axe-core)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    script = """async () => (await axe.run()).violations.map(({ id, nodes }) =>
        [id, nodes.map(({ html, failureSummary }) => [html, failureSummary])])"""
    for colours, width, height in APPEARANCES:
        page.emulate_media(color_scheme=colours)
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(script) == []
