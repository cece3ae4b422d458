"""The benchmark of the time from slider to screen finds its way on the page."""

import shutil

import pytest

from tests.test_demo_page import served, tiny

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested with playwright, which isn't installed"
)
CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="the page is tested in Chromium, and none is installed")
def test_a_visit() -> None:
    from benchmarks.slider_to_screen import OPTIONS, visit  # noqa: PLC0415 (it needs playwright)

    with served(tiny()) as address, playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        found = visit(browser.new_context(), f"{address}/", 3)
        browser.close()
    assert found["first_picture_ms"] > 0
    assert found["loaded_bytes_gzip"] > 20_000  # the page's own files
    for name in ("ms", "until_drawn_ms", "answer_ms"):
        assert 0 < found[f"median_{name}"] <= found[f"95%_{name}"]
    assert found["median_until_drawn_ms"] < found["median_ms"]
