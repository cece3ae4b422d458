"""How long does it take from a slider's movement to the new picture, in a headless Chromium on this machine?

Two pages are measured in turn: that of `glowflow demo`, and the folder that `glowflow export web` writes, served as
plain files. What serves them shares the machine with the browser. Each visit begins with an empty cache. Time runs from
the navigation to the first picture. Then a slider is dragged with the mouse. Each move waits until the picture of the
last one is on screen. Time runs from the mouse's event, as the browser stamps it, to the frame after the new picture is
drawn. An answer is the picture that the page gets from its engine for random latents. The bytes are those of all files
that are asked for until the first picture, compressed by gzip. Each visit is a line of the output file.

    npm install onnxruntime-web
    python -m benchmarks.slider_to_screen faces results/demo/slider-to-screen.jsonl
"""

import argparse
import gzip
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import BrowserContext, Page, sync_playwright

from benchmarks import chromium
from benchmarks.demo_server import started
from benchmarks.file_server import served
from benchmarks.lines import Line, complete

WARM_UP = 10

FIRST = "() => performance.now()"

LISTEN = """() => {
  let began = null;
  window.times = [];
  document.addEventListener("input", (event) => { began ??= event.timeStamp; }, { capture: true });
  document.querySelector("#picture").addEventListener("shown", () => {
    if (began === null) return;
    const [start, drawn] = [began, performance.now()];
    began = null;
    requestAnimationFrame(() => setTimeout(() => window.times.push([drawn - start, performance.now() - start])));
  });
}"""

ANSWERS = """async (count) => {
  const engine = await import(new URL("engine.js", document.querySelector("script[type=module]").src));
  const { class_names: classes } = await engine.getModel();
  const times = [];
  for (let seed = 0; seed < count; seed++) {
    const z = Float32Array.from(await engine.getLatent(seed));
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    await engine.decode(z, classes.length ? 0 : null);
    times.push(performance.now() - start);
  }
  return times;
}"""


@contextmanager
def by_server(model: str) -> Iterator[tuple[str, str]]:
    """The address of `glowflow demo`, and what draws its pictures."""
    with started(model) as server:
        yield f"{server.address}/", server.drawing


@contextmanager
def by_files(model: str) -> Iterator[tuple[str, str]]:
    """The same of the folder that `glowflow export web` writes."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "glowflow", "export", "web", model, f"{folder}/page"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with served(Path(folder, "page")) as address:
            yield address, "ONNX Runtime Web draws all pictures."


PAGES = {"server": by_server, "files": by_files}


def measure(model: str, page: str, moves: int, repetition: int) -> Line:
    """Visit a page."""
    with PAGES[page](model) as (address, drawing), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.PATH, args=chromium.OPTIONS)
        found = visit(browser.new_context(viewport={"width": 1280, "height": 900}), address, moves)
        version = browser.version
        browser.close()
    return {"drawing": drawing, **found, "chromium": version}


def visit(visitor: BrowserContext, address: str, moves: int) -> Line:
    """What a visitor with an empty cache waits for, and loads."""
    asked: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url) if request.method == "GET" else None)
    page = visitor.new_page()
    page.goto(address)
    page.wait_for_selector("#picture[aria-busy=false]")
    first, files = page.evaluate(FIRST), {file for file in asked if file.startswith(address)}
    page.wait_for_load_state("networkidle")
    page.evaluate(LISTEN)
    drawn, shown = np.array(drag(page, WARM_UP + moves))[WARM_UP:].T
    answers = page.evaluate(ANSWERS, WARM_UP + moves)[WARM_UP:]
    return {
        "first_picture_ms": round(first),
        "loaded_bytes_gzip": sum(map(_compressed, files)),
        **_quantiles("", shown),
        **_quantiles("until_drawn_", drawn),
        **_quantiles("answer_", answers),
    }


def drag(page: Page, moves: int) -> list[list[float]]:
    """Drag the first attribute's slider, or else the temperature's, back and forth."""
    slider = page.locator("#sliders input, #temperature").last
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    if box is None:
        raise RuntimeError("There is no slider on the page.")
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle, y)
    page.mouse.down()
    for move in range(1, moves + 1):
        page.mouse.move(middle + box["width"] * (0.04 * abs(move % 20 - 10) - 0.2), y)  # up and down, step by step
        page.wait_for_function("count => window.times.length >= count", arg=move, polling=5)
    page.mouse.up()
    return page.evaluate("window.times")


def _compressed(address: str) -> int:
    """The bytes of a file that gzip has compressed."""
    with urllib.request.urlopen(address) as answer:  # noqa: S310 (the page's own)
        return len(gzip.compress(answer.read()))


def _quantiles(name: str, milliseconds: Sequence[float]) -> Line:
    """The median, and the time that 95% stay below."""
    names = {"median": 0.5, "95%": 0.95}
    return {f"{word}_{name}ms": round(float(np.quantile(milliseconds, each)), 1) for word, each in names.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    shared = {"model": options.model, "moves": options.moves}
    wanted = [{**shared, "page": page, "repetition": i} for i in range(options.repetitions) for page in PAGES]
    for line in complete(options.out, measure, wanted):
        print(line)


if __name__ == "__main__":
    main()
