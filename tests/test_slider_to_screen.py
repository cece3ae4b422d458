"""The benchmark of the time from slider to screen finds its way on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.test_demo_page import served, tiny

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_visit(browser: Browser) -> None:
    from benchmarks.slider_to_screen import visit  # noqa: PLC0415 (it needs playwright)

    with served(tiny()) as address:
        found = visit(browser.new_context(), f"{address}/", 3)
    assert found["first_picture_ms"] > 0
    assert found["loaded_bytes_gzip"] > 20_000  # the page's own files
    for name in ("ms", "until_drawn_ms", "answer_ms"):
        assert 0 < found[f"median_{name}"] <= found[f"95%_{name}"]
    assert found["median_until_drawn_ms"] < found["median_ms"]
