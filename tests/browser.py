"""What tests of pages in a headless Chromium share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="pages are tested with playwright, which isn't installed"
)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
PATIENCE = 20_000
"""Milliseconds, for a machine on which much else runs."""
playwright.expect.set_options(timeout=PATIENCE)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser."""
    if CHROMIUM is None:
        pytest.skip("pages are tested in Chromium, and none is installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def visited(browser: Browser, address: str) -> Iterator[Page]:
    """A page that has loaded. At the end it must have logged no error."""
    visitor = browser.new_context(viewport={"width": 1280, "height": 900})
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
    raise AssertionError("It's not so after 20 seconds.")


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
