"""How long does it take from a slider's movement to the new picture, in a headless Chromium on this machine?

The server and the browser share the machine. A slider is dragged with the mouse. Each move waits until the picture of
the last one is on screen. Time runs from the mouse's event, as the browser stamps it, to the frame after the new
picture is drawn. For comparison, decoding alone is timed in a process of its own, and so is a request that asks the
server for nothing. Each repetition is a line of the output file.

    python -m benchmarks.demo_latency faces results/demo/demo-latency.jsonl
"""

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright

from benchmarks.demo_server import started
from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.demo.serving import leave_a_core

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
WARM_UP = 10

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


REQUEST = """async () => {
  const times = [];
  for (let i = 0; i < 50; i++) {
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    await (await fetch("/healthz")).text();
    times.push(performance.now() - start);
  }
  return times;
}"""


def measure(model: str, moves: int, repetition: int) -> Line:
    """The milliseconds of each of some moves."""
    decoding = _decoding(model, moves)
    with started(model) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_selector("#picture[aria-busy=false]")
        page.wait_for_load_state("networkidle")
        page.evaluate(LISTEN)
        times = np.array(drag(page, WARM_UP + moves))[WARM_UP:]
        requests = page.evaluate(REQUEST)
        version = browser.version
        browser.close()
    drawn, shown = times.T
    return {
        "median_ms": round(float(np.median(shown)), 1),
        "95%_ms": round(float(np.quantile(shown, 0.95)), 1),
        "median_until_drawn_ms": round(float(np.median(drawn)), 1),
        "95%_until_drawn_ms": round(float(np.quantile(drawn, 0.95)), 1),
        "median_decoding_ms": round(float(np.median(decoding)), 1),
        "median_bare_request_ms": round(float(np.median(requests)), 1),
        "chromium": version,
    }


def _decoding(path: str, times: int) -> list[float]:
    """The milliseconds of decoding one image, as the server does while a slider moves."""
    threads = torch.get_num_threads()
    leave_a_core()
    model, milliseconds = Glow.from_pretrained(path).freeze(), []
    z = torch.zeros(1, model.config.num_dims)
    for _ in range(WARM_UP + times):
        began = time.perf_counter()
        model.decode(z, exact=False)
        milliseconds.append(1000 * (time.perf_counter() - began))
    torch.set_num_threads(threads)
    return milliseconds[WARM_UP:]


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


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    wanted = [{"model": options.model, "moves": options.moves, "repetition": i} for i in range(options.repetitions)]
    for line in complete(options.out, measure, wanted):
        print(line)


if __name__ == "__main__":
    main()
