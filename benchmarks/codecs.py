"""The bits/dim of PNG, WebP and JPEG XL for the test images of presets, each image a file of its own.

    pip install -e '.[codecs]'
    python -m benchmarks.codecs results/codecs/codecs.jsonl scenes32 photos32 fashionmnist digits
    python -m benchmarks.codecs results/codecs/differences.jsonl --runs runs/scenes32

With `--runs` it compares the likelihood of models with the codecs, image by image.

The files are lossless and as small as the codecs make them. They include their headers. An image of fewer than 8 bits
is given as its levels, from 0 up.
"""

import argparse
from collections.abc import Mapping
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.lines import Line, complete
from glowflow import Glow, data
from glowflow.evaluate import mean_of, scores
from glowflow.packages import imported
from glowflow.presets import load
from glowflow.progress import progress
from glowflow.training.run import read_config

CODECS: Mapping[str, Mapping[str, Any]] = {
    "PNG": {"format": "PNG", "optimize": True},
    "WebP": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6},
    "JPEG XL": {"format": "JXL", "lossless": True, "effort": 9},
}
"""Pillow's options for the smallest lossless file."""


def measure(preset: str, codec: str) -> Line:
    """Mean bits/dim of the files, with the standard error over images, or over photographs."""
    run = load(preset).run
    dataset = data.of_run(run, "test")
    return _mean(sizes(dataset, run.model.num_bits, codec), dataset, codec)


def compare(run: str, codec: str) -> Line:
    """The mean difference between a model's bits/dim and a codec's for the test images, with its standard error.

    It is negative if the model needs fewer.
    """
    model = Glow.from_pretrained(run).freeze()
    dataset = data.load(read_config(Path(run))["train"]["data"], model.config.image_shape, "test")
    return _mean(scores(model, dataset) - sizes(dataset, model.config.num_bits, codec), dataset, codec)


def sizes(dataset: data.Dataset, num_bits: int, codec: str) -> NDArray[np.float64]:
    """The bits/dim (N,) of a codec's files for images of so many bits."""
    if codec == "JPEG XL":
        imported("pillow_jxl", codec, "codecs")
    found = []
    with progress(f"{codec} of {dataset.name}", len(dataset)) as advance:
        for image in dataset.images:
            found.append(bits_per_dim(image >> (8 - num_bits), CODECS[codec]))
            advance(1)
    return np.array(found)


def _mean(values: NDArray[np.float64], dataset: data.Dataset, codec: str) -> Line:
    """The mean of values (N,), with its standard error over images, or over photographs."""
    found = mean_of(values, dataset)
    package = "pillow-jxl-plugin" if codec == "JPEG XL" else "pillow"
    return {
        "data": dataset.name,
        "bits_per_dim": found.bits_per_dim,
        "standard_error": found.standard_error,
        "images": found.num_images,
        "clusters": found.num_clusters,
        "library": f"{package} {version(package)}",
    }


def bits_per_dim(image: NDArray[np.uint8], options: Mapping[str, Any]) -> float:
    """The bits of an image's file, divided by the number of values in the image, (H, W, 1) or (H, W, 3).

    Raises:
        ValueError: the file doesn't give the image back.
    """
    picture, file = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image), BytesIO()
    picture.save(file, **options)
    with Image.open(file) as decoded:
        if decoded.convert(picture.mode).tobytes() != picture.tobytes():
            raise ValueError(f"{options} changes an image.")
    return 8 * len(file.getvalue()) / image.size


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("presets", nargs="*")
    parser.add_argument("--runs", nargs="*", default=[])
    options = parser.parse_args()
    for kind, names, function in (("preset", options.presets, measure), ("run", options.runs, compare)):
        wanted = [{kind: name, "codec": codec} for name in names for codec in CODECS]
        for line in complete(options.out, function, wanted):
            error = f" ± {line['standard_error']:.3f}" if line["standard_error"] else ""
            print(f"{line[kind]}, {line['codec']}: {line['bits_per_dim']:.3f}{error}")


if __name__ == "__main__":
    main()
