"""How much do other versions of a compressor's library change the scores that need it?

    pip install --no-deps --target other pillow==10.4.0
    python -m benchmarks.compressors results/scores/compressors.jsonl digits faces32 photos32
    PYTHONPATH=other python -m benchmarks.compressors results/scores/compressors.jsonl digits faces32 photos32

Each line has the bits/dim of images by one compressor of the Pillow that is imported, and its sizes of the fixed
pictures by which a reference recognises it. The report compares all lines of a compressor with the first one.
"""

import argparse
from pathlib import Path

import numpy as np
import PIL

from benchmarks.lines import Line, complete
from glowflow import data
from glowflow.durable import load_lines
from glowflow.presets import load
from glowflow.scoring.codecs import PNG, WEBP, fewest_bits

NUM_IMAGES = 300
CODECS = {codec.name: codec for codec in (PNG, WEBP)}


def measure(preset: str, codec: str, pillow: str) -> Line:
    """The bits/dim of test images, and the sizes of the fixed pictures."""
    run, chosen = load(preset).run, CODECS[codec]
    images = np.asarray(data.of_run(run, "test").thinned(NUM_IMAGES).images)
    bits = fewest_bits(images, run.model.num_bits, [chosen])
    return {"library": str(chosen), "sizes": chosen.sizes, "bits_per_dim": bits.round(5).tolist()}


def report(lines: list[Line]) -> None:
    """Print the largest and the mean change of each line, and whether a reference would notice it."""
    first: dict[tuple[str, str], Line] = {}
    for line in lines:
        base = first.setdefault((line["preset"], line["codec"]), line)
        change = np.abs(np.subtract(line["bits_per_dim"], base["bits_per_dim"]))
        spread = np.std(base["bits_per_dim"])
        noticed = "other sizes" if line["sizes"] != base["sizes"] else "the same sizes"
        print(
            f"{line['preset']}, {line['library']} against {base['library']}: {noticed}; bits/dim change by "
            f"{change.mean():.4f} on average, {change.max():.4f} at most (their standard deviation is {spread:.3f})"
        )


def main() -> None:
    """Measure what the output file lacks, and compare all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("presets", nargs="+")
    options = parser.parse_args()
    wanted = [
        {"preset": preset, "codec": codec, "pillow": PIL.__version__} for preset in options.presets for codec in CODECS
    ]
    complete(options.out, measure, wanted)
    report(load_lines(options.out))


if __name__ == "__main__":
    main()
