"""How many bytes the codec makes of test images, beside the likelihood; and how many images it codes in a second.

    python -m benchmarks.compression results/compression/compression.jsonl runs/digits --images 1,10,100,500

For each model and number of images: the likelihood of these images, the bits that they add to the stream, and the size
of everything that `glowflow.codec.compress` gives, which has the bits that the first images borrow, too. The rates have
the time of all images together, without that of making the model's integer form.
"""

import argparse
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.codec import IntegerModel, compress, decompress
from glowflow.codec.block import Way
from glowflow.codec.stream import Stream
from glowflow.commands.inputs import dataset_for
from glowflow.evaluate import likelihood
from glowflow.images import quantize
from glowflow.stored import StoredModel

NUM_DRAWS = 4
"""Draws of the dequantisation noise, over which the likelihood is averaged."""


def measure(model: str, data: str | None, images: int) -> Line:
    """Bits/dim by the model, of the stream, and of all bytes; and images per second each way."""
    stored = StoredModel.open(model)
    glow = Glow.from_pretrained(stored)
    dataset = dataset_for(stored, data, glow, "test").thinned(images)
    values, _ = dataset.batch(range(len(dataset)))
    values, integers = quantize(values, glow.config.num_bits), IntegerModel(glow)
    start = perf_counter()
    compressed = compress(integers, values)
    between = perf_counter()
    found = decompress(integers, compressed)
    end = perf_counter()
    if not torch.equal(found, values):
        raise ValueError(f"The images of {dataset.name} don't come back.")
    return {
        "test_images_of": dataset.name,
        "images_per_second": {"compress": len(values) / (between - start), "decompress": len(values) / (end - between)},
        "together": Way.of(len(values)).together,
        "bytes": len(compressed),
        "bits_per_dim": {
            "likelihood": likelihood(glow.freeze(), dataset, NUM_DRAWS).bits_per_dim,
            "stream": stream_bits(integers, values) / values.numel(),
            "all": 8 * len(compressed) / values.numel(),
        },
        "threads": torch.get_num_threads(),
    }


def stream_bits(model: IntegerModel, images: torch.Tensor) -> float:
    """The bits that images add to a stream, without what they borrow from it at first."""
    way = Way.of(len(images))
    stream = Stream(way.lanes)
    for group in model.levels_of(images).split(way.together):
        model.push(group, stream)
    return stream.bits


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", help="a data set instead of the models' own")
    parser.add_argument("--images", default="100", help="numbers of test images, separated by commas")
    options = parser.parse_args()
    counts = [int(count) for count in options.images.split(",")]
    wanted = [{"model": model, "data": options.data, "images": count} for model in options.models for count in counts]
    for line in complete(options.out, measure, wanted):
        bits, rates = line["bits_per_dim"], line["images_per_second"]
        print(
            f"{line['model']}, {line['images']} images: {bits['likelihood']:.4f} bits/dim by the model, "
            f"{bits['stream']:.4f} in the stream ({bits['stream'] / bits['likelihood'] - 1:+.2%}), "
            f"{bits['all']:.4f} in all; {rates['compress']:.1f} and {rates['decompress']:.1f} images/s"
        )


if __name__ == "__main__":
    main()
