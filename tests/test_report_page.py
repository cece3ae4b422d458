"""The report as a reader uses it, in a headless Chromium, from a file and without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glowflow.config import RunConfig
from glowflow.locks import lock
from glowflow.reports import Report
from glowflow.training import Options, train
from tests.browser import PATIENCE, assert_accessible, playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(name="run")
def _run(config: RunConfig, tmp_path: Path) -> Path:
    """A run that is to go on: it has 320 of 640 images."""
    out = tmp_path / "run"
    train(config, out, options=Options(report=Report().write))
    settings = (out / "config.yaml").read_text()
    (out / "config.yaml").write_text(settings.replace("images: 320", "images: 640"))
    with (out / ".lock").open("ab") as file:  # as if a process trained there
        lock(file, blocking=False)
        Report().write(out)
    return out


@contextmanager
def opened(browser: Browser, run: Path, width: int = 1280) -> Iterator[Page]:
    """The report in a browser. At the end it must have asked for nothing and complained of nothing."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.clock.install()
    page.goto((run / "report.html").as_uri())
    yield page
    page.close()
    assert complaints == []


def test_the_slider_goes_through_the_training(browser: Browser, run: Path) -> None:
    with opened(browser, run) as page:
        picture = page.get_attribute("#samples img", "src")
        assert (page.text_content("#samples output") or "").startswith("after 320 images: ")
        assert page.get_attribute("#bits .moment", "d") == "M1000 0V1000"
        page.focus("#samples input")
        page.keyboard.press("ArrowLeft")
        assert (page.text_content("#samples output") or "").startswith("after 160 images: ")
        assert page.get_attribute("#bits .moment", "d") == "M500 0V1000"
        assert page.get_attribute("#samples img", "src") != picture
        page.keyboard.press("ArrowRight")
        assert page.get_attribute("#samples img", "src") == picture


def test_the_newest_samples_are_there_without_a_script(browser: Browser, run: Path) -> None:
    visitor = browser.new_context(java_script_enabled=False)
    page = visitor.new_page()
    page.goto((run / "report.html").as_uri())
    assert (page.get_attribute("#samples img", "src") or "").startswith("data:image/webp")
    visitor.close()


@pytest.mark.parametrize("width", [340, 375, 820, 1280, 1680])
def test_nothing_is_wider_than_the_window(browser: Browser, run: Path, width: int) -> None:
    with opened(browser, run, width) as page:
        page.click("summary")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_keeps_people_from_using_it(browser: Browser, run: Path) -> None:
    with opened(browser, run) as page:
        page.click("summary")
        assert_accessible(page)


def test_the_page_is_loaded_again_while_the_training_goes_on(browser: Browser, run: Path) -> None:
    with opened(browser, run) as page:
        page.focus("#samples input")
        page.keyboard.press("ArrowLeft")
        (run / "report.html").write_text((run / "report.html").read_text().replace("<h1>run", "<h1>newer"))
        page.clock.run_for(90_000)
        assert page.text_content("h1") == "run"  # the reader is looking at an earlier moment
        page.keyboard.press("ArrowRight")
        page.clock.run_for(90_000)
        assert page.text_content("h1") == "run"  # the reader has the slider under the finger
        page.evaluate("document.activeElement.blur()")
        page.clock.run_for(90_000)
        playwright.expect(page.locator("h1")).to_have_text("newer")


def test_the_page_of_a_training_that_has_ended_stays(browser: Browser, run: Path) -> None:
    Report().write(run)
    with opened(browser, run) as page:
        (run / "report.html").write_text((run / "report.html").read_text().replace("<h1>run", "<h1>newer"))
        page.clock.run_for(200_000)
        assert page.text_content("h1") == "run"
