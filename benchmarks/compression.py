"""How many bytes archives of test images take, beside their likelihood and general codecs; and how fast they are made.

    pip install -e '.[codecs]'
    python -m benchmarks.compression results/compression/compression.jsonl runs/digits runs/faces32 --images 1,10,100
    python -m benchmarks.compression results/compression/compression.jsonl runs/digits --images 1,10,100 --codecs

For each model and number of images, by default all test images: the likelihood, the bits that the images add to a
stream, and the bytes of an archive of PNG files, which are divided into blocks, names and the rest. With --codecs: the
bytes of PNG, WebP and JPEG XL for the same images, each image a file of its own, and all of them as one picture. Every
measured archive is read again, and its images are compared. `benchmarks.compression_report` makes a table and a figure.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from math import ceil, sqrt
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.codecs import CODECS, bits_per_dim
from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.codec import IntegerModel
from glowflow.codec.archive import Coded, Contents, read
from glowflow.codec.archive_writer import Writer
from glowflow.codec.block import Way
from glowflow.codec.stream import Stream
from glowflow.commands.inputs import dataset_for
from glowflow.data import Dataset
from glowflow.evaluate import likelihood
from glowflow.images import quantize
from glowflow.packages import imported
from glowflow.stored import StoredModel

NUM_DRAWS = 4
"""Draws of the dequantisation noise, over which the likelihood is averaged."""
BEGIN = 1_700_000_000_000_000_000
PAUSE = 2_000_000
"""The files' times begin in 2023, and are up to 2 ms apart, in nanoseconds."""
STREAMED = 1000
"""Images whose bits in a stream are counted, at most."""


def measure(model: str, data: str | None, images: int | None, block: int = 1000) -> Line:
    """Bits/dim by the model and of the stream, bytes of the archive by part, and images per second each way."""
    glow, dataset = opened(model, data, images)
    integers = IntegerModel(glow)
    with tempfile.TemporaryDirectory() as folder:
        found = _archived(integers, dataset, Path(folder), block)
    few, of_all = dataset.thinned(STREAMED), likelihood(glow.freeze(), dataset, NUM_DRAWS).bits_per_dim
    of_few = of_all if len(few) == len(dataset) else likelihood(glow.freeze(), few, NUM_DRAWS).bits_per_dim
    return found | {
        "test_images_of": dataset.name,
        "count": len(dataset),
        "num_dims": glow.config.num_dims,
        "bits_per_dim": {
            "likelihood": of_all,
            "likelihood_of_streamed": of_few,
            "stream": stream_bits(integers, values_of(few, glow)) / (len(few) * glow.config.num_dims),
            "archive": 8 * found["bytes"]["archive"] / (len(dataset) * glow.config.num_dims),
        },
        "threads": torch.get_num_threads(),
    }


def measure_codec(model: str, data: str | None, images: int | None, codec: str, arrangement: str) -> Line:
    """The bytes of a general codec for the same images, as "files" or as one "mosaic"."""
    if codec == "JPEG XL":
        imported("pillow_jxl", codec, "codecs")
    glow, dataset = opened(model, data, images)
    levels = (values_of(dataset, glow) >> (8 - glow.config.num_bits)).permute(0, 2, 3, 1).numpy()
    pictures = [mosaic(levels)] if arrangement == "mosaic" else list(levels)
    total = sum(round(bits_per_dim(picture, CODECS[codec]) * picture.size / 8) for picture in pictures)
    bits = 8 * total / levels.size
    return {"test_images_of": dataset.name, "count": len(levels), "bytes": total, "bits_per_dim": bits}


def mosaic(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (N, H, W, C) as one, about as wide as high, with black where there are too few."""
    count, height, width, channels = images.shape
    columns = ceil(sqrt(count))
    rows = ceil(count / columns)
    places = np.zeros((rows * columns, height, width, channels), np.uint8)
    places[:count] = images
    grid = places.reshape(rows, columns, height, width, channels)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def stream_bits(model: IntegerModel, images: torch.Tensor) -> float:
    """The bits that images add to a stream, without what they borrow from it at first."""
    way = Way.of(len(images), model.config.num_dims)
    stream = Stream(way.lanes)
    for group in model.levels_of(images).split(way.together):
        model.push(group, stream)
    return stream.bits


def opened(model: str, data: str | None, images: int | None) -> tuple[Glow, Dataset]:
    """A model, and its test images, or at most so many of them."""
    stored = StoredModel.open(model)
    glow = Glow.from_pretrained(stored)
    dataset = dataset_for(stored, data, glow, "test")
    return glow, dataset if images is None else dataset.thinned(images)


def values_of(dataset: Dataset, glow: Glow) -> torch.Tensor:
    """The images (N, C, H, W) of a data set, with as many bits as a model has."""
    return quantize(dataset.batch(range(len(dataset)))[0], glow.config.num_bits)


def _archived(model: IntegerModel, dataset: Dataset, folder: Path, block: int) -> Line:
    """The bytes and the rates of an archive of a data set's images."""
    values = quantize(dataset.images, model.config.num_bits).numpy()
    paths, archive = list(written(values, folder)), folder / "images.glow"
    start = perf_counter()
    with archive.open("wb") as file:
        found = Writer(file, model, block).write(paths)
    between = perf_counter()
    _check(model, archive, dict(paths))
    end = perf_counter()
    if found.images != len(values):
        raise ValueError(f"{found.files} images were kept as they are.")
    records = [each.record for each in read(archive, Contents()) if isinstance(each, Coded)]
    return {
        "bytes": {
            "archive": archive.stat().st_size,
            "names": sum(len(record.index) for record in records),
            "blocks": sum(record.length for record in records),
        },
        "images_per_second": {"create": len(values) / (between - start), "extract": len(values) / (end - between)},
    }


def written(values: NDArray[np.uint8], folder: Path) -> Iterator[tuple[str, Path]]:
    """Names and places of PNG files of images (N, H, W, C), which are written."""
    pauses = np.random.default_rng(0).integers(1, PAUSE, len(values))
    for number, (image, time) in enumerate(zip(values, (BEGIN + np.cumsum(pauses)).tolist(), strict=True)):
        path = folder / f"{number:05}.png"
        Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(path)
        os.utime(path, ns=(time, time))
        yield path.name, path


def _check(model: IntegerModel, archive: Path, paths: dict[str, Path]) -> None:
    """Read an archive, and compare its files with those at these places."""
    contents = Contents()
    for block in read(archive, contents):
        for found in block.files(lambda: model, lambda count: None):
            path = paths.pop(found.entry.name)
            if b"".join(found.content) != path.read_bytes() or found.time != path.stat().st_mtime_ns:
                raise ValueError(f"{path} doesn't come back.")
    if paths or contents.damages or not contents.is_complete:
        raise ValueError(f"{len(paths)} files don't come back.")


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", help="a data set instead of the models' own")
    parser.add_argument("--images", default="all", help="numbers of test images, separated by commas; or all")
    parser.add_argument("--block", type=int, default=1000, help="images that are coded together")
    parser.add_argument("--codecs", action="store_true", help="measure PNG, WebP and JPEG XL instead")
    options = parser.parse_args()
    counts = [None if count == "all" else int(count) for count in options.images.split(",")]
    named = [{"model": model, "data": options.data, "images": count} for model in options.models for count in counts]
    if options.codecs:
        ways = [{"codec": codec, "arrangement": way} for way in ("files", "mosaic") for codec in CODECS]
        for line in complete(options.out, measure_codec, [each | way for each in named for way in ways]):
            print(f"{_title(line)}, {line['codec']}, {line['arrangement']}: {line['bits_per_dim']:.3f} bits/dim")
    else:
        for line in complete(options.out, measure, [each | {"block": options.block} for each in named]):
            print(f"{_title(line)}: {_described(line)}")


def _title(line: Line) -> str:
    return f"{line['model']}, {line['count']} images"


def _described(line: Line) -> str:
    bits, rates = line["bits_per_dim"], line["images_per_second"]
    excess = bits["stream"] / bits["likelihood_of_streamed"] - 1
    return (
        f"{bits['likelihood']:.4f} bits/dim by the model, {excess:+.2%} in the stream, {bits['archive']:.4f} in the "
        f"archive ({line['bytes']['archive']:,} bytes); {rates['create']:.1f} and {rates['extract']:.1f} images/s"
    )


if __name__ == "__main__":
    main()
