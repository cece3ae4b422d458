"""How long does it take to decode an image, by PyTorch, by ONNX Runtime, and by what the page chooses for its previews?

All run the same model in float32 with the same number of threads, in turn. Each number of threads is a line of the
output file. A ratio is a time divided by that of ONNX Runtime in the same round: the median over the rounds.

    python -m benchmarks.decoding faces results/demo/decoding.jsonl
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.bench.timing import timings
from glowflow.demo import previews
from glowflow.export import runtime
from glowflow.threads import candidates, cores


@torch.inference_mode()
def measure(model: str, threads: int, images: int, rounds: int) -> Line:
    """The milliseconds that each takes."""
    torch.set_num_threads(threads)
    glow = Glow.from_pretrained(model).freeze()
    z = 0.7 * torch.randn(images, glow.config.num_dims, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(images, dtype=torch.int64) if glow.class_names else None
    own: runtime.Decode = partial(glow.decode, exact=False)
    choice = previews.choose(glow)
    draws = {"onnxruntime": runtime.decoder(glow, threads), "pytorch": own, "page": choice.decode or own}
    found = timings({name: partial(draw, z, y) for name, draw in draws.items()}, images, rounds)
    milliseconds = {f"{each.name}_ms": round(1000 * each.seconds, 2) for each in found}
    ratios = {f"{each.name}_ratio": round(each.ratio, 3) for each in found[1:]}
    return {"choice": choice.reason, **milliseconds, **ratios}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    shared = {"model": options.model, "images": options.images, "rounds": options.rounds}
    for line in complete(options.out, measure, [{**shared, "threads": each} for each in candidates(cores())]):
        print(line)


if __name__ == "__main__":
    main()
