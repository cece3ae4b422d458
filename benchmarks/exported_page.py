"""How soon does the exported page show its first picture, how much does it load, and how fast does it follow a slider?

The folder that `glowflow export web` wrote is served on this machine, to a headless Chromium with an empty cache. Time
runs from the navigation to the first picture, and then from a slider's movement to the new picture, as in
`benchmarks.demo_latency`. The bytes are those of all files that are asked for until the first picture, compressed by
gzip. Each repetition is a line of the output file.

    glowflow export web faces page
    python -m benchmarks.exported_page page exported-page.jsonl
"""

import argparse
import gzip
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.demo_latency import LISTEN, OPTIONS, WARM_UP, drag
from benchmarks.file_server import served
from benchmarks.lines import Line, complete

FIRST = "() => performance.now()"


def measure(folder: str, moves: int, repetition: int) -> Line:
    """The milliseconds until the first picture, and those of each of some moves."""
    asked: list[str] = []
    with served(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        visitor = browser.new_context(viewport={"width": 1280, "height": 900})
        visitor.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page = visitor.new_page()
        page.goto(address)
        page.wait_for_selector("#picture[aria-busy=false]")
        first, files = page.evaluate(FIRST), set(asked)
        page.wait_for_load_state("networkidle")
        page.evaluate(LISTEN)
        _, shown = np.array(drag(page, WARM_UP + moves))[WARM_UP:].T
        version = browser.version
        browser.close()
    return {
        "first_picture_ms": round(first),
        "loaded_bytes_gzip": sum(_compressed(Path(folder, file.lstrip("/") or "index.html")) for file in files),
        "median_ms": round(float(np.median(shown)), 1),
        "95%_ms": round(float(np.quantile(shown, 0.95)), 1),
        "chromium": version,
    }


def _compressed(file: Path) -> int:
    """The bytes of a file that gzip has compressed; 0 for what isn't a file."""
    return len(gzip.compress(file.read_bytes())) if file.is_file() else 0


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("out", type=Path)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    wanted = [{"folder": options.folder, "moves": options.moves, "repetition": i} for i in range(options.repetitions)]
    for line in complete(options.out, measure, wanted):
        print(line)


if __name__ == "__main__":
    main()
