"""Where does the time of the codec go?

    python -m benchmarks.compression_time results/compression/time.jsonl runs/photos32 --threads 2

Every two milliseconds, a timer looks which module of the codec is being run. The shares are given beside the number of
images that are coded in a second. The images are test images, and all of one block.
"""

import argparse
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import TypeVar

import torch

from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.codec import IntegerModel, compress, decompress
from glowflow.commands.inputs import dataset_for
from glowflow.images import quantize
from glowflow.stored import StoredModel

INTERVAL = 0.002
Result = TypeVar("Result")


def measure(model: str, images: int, threads: int) -> Line:
    """Images per second, and the shares of modules, each way."""
    torch.set_num_threads(threads)
    stored = StoredModel.open(model)
    glow = Glow.from_pretrained(stored)
    dataset = dataset_for(stored, None, glow, "test").thinned(images)
    values = quantize(dataset.batch(range(len(dataset)))[0], glow.config.num_bits)
    integers = IntegerModel(glow)
    data, forth = _timed(lambda: compress(integers, values), len(values))
    found, back = _timed(lambda: decompress(integers, data), len(values))
    if not torch.equal(found, values):
        raise ValueError("The images don't come back.")
    return {"test_images_of": dataset.name, "count": len(dataset), "compress": forth, "decompress": back}


def _timed(work: Callable[[], Result], images: int) -> tuple[Result, Line]:
    with _sampled() as shares:
        start = perf_counter()
        result = work()
        seconds = perf_counter() - start
    total = sum(shares.values())
    ordered = {module: round(count / total, 3) for module, count in shares.most_common()}
    return result, {"images_per_second": images / seconds, "shares": ordered}


@contextmanager
def _sampled() -> Iterator["Counter[str]"]:
    """Count, at regular times, the innermost module of the codec that is being run."""
    counts = Counter[str]()

    def look(_: int, frame: FrameType | None) -> None:
        while frame and frame.f_globals.get("__package__") != "glowflow.codec":
            frame = frame.f_back
        if frame:
            counts[frame.f_globals["__name__"].rpartition(".")[2]] += 1

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL, INTERVAL)
    try:
        yield counts
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    wanted = [{"model": each, "images": options.images, "threads": options.threads} for each in options.models]
    for line in complete(options.out, measure, wanted):
        for way in ("compress", "decompress"):
            shares = ", ".join(f"{module} {share:.0%}" for module, share in line[way]["shares"].items())
            print(f"{line['model']}, {way}: {line[way]['images_per_second']:.1f} images/s; {shares}")


if __name__ == "__main__":
    main()
