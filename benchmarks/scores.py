"""How much longer do all scores of images take than the likelihood alone?

    python -m benchmarks.scores results/scores/time.jsonl runs/digits faces --threads 1

Both are measured in turn, on a thousand images at a time, so that other programs on the machine slow down both. The
images are test images of the model's own data, which are repeated until there are enough. All scores are those of
`glowflow score` without a background model. The model must have a reference.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.lines import Line, complete
from glowflow import threads
from glowflow.commands.inputs import dataset_for, opened
from glowflow.evaluate import scores
from glowflow.scoring.columns import columns, scored
from glowflow.scoring.reference import Reference

AT_A_TIME = 1000


def measure(model: str, images: int, threads: int, device: str) -> Line:
    """Seconds for all images, and the ratio: the median over the parts."""
    use(threads)
    stored, glow = opened(model, device)
    reference, test = Reference.load(stored), dataset_for(stored, None, glow, "test")
    if reference is None:
        raise SystemExit(f"{model} has no reference: glowflow calibrate {model}")
    part = test.chosen(np.arange(AT_A_TIME) % len(test))
    alone: list[tuple[float, float]] = []
    everything: list[tuple[float, float]] = []
    works: list[tuple[list[tuple[float, float]], Callable[[], object]]] = [
        (alone, partial(scores, glow, part)),
        (everything, partial(scored, glow, part, partial(columns, reference=reference), reference.codecs)),
    ]
    for _, work in works:
        work()  # not counted
    for number in range(images // AT_A_TIME):
        for taken, work in works if number % 2 else reversed(works):
            taken.append(timed(work))
    ratios = np.array(everything) / np.array(alone)
    return {
        "data": test.name,
        "compressors": list(map(str, reference.codecs)),
        "seconds_likelihood": sum(seconds for seconds, _ in alone),
        "seconds_all": sum(seconds for seconds, _ in everything),
        "ratio": median(ratios[:, 0].tolist()),
        "ratio_of_processor_time": median(ratios[:, 1].tolist()),
    }


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of all processor cores together."""
    began, computed = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - computed


def use(number: int) -> None:
    """Compute with so many threads."""
    threads.ask(str(number), is_long=True)


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    about = {"images": options.images, "threads": options.threads, "device": options.device}
    for line in complete(options.out, measure, [{"model": model} | about for model in options.models]):
        print(
            f"{line['model']}: {line['seconds_likelihood']:.1f} s for the likelihood, {line['seconds_all']:.1f} s for "
            f"all scores, {line['ratio']:.2f} times as long ({line['ratio_of_processor_time']:.2f} in processor time)"
        )


if __name__ == "__main__":
    main()
