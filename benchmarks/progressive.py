"""Does a training gain from a beginning at half the resolution? A race at equal arithmetic.

One training sees images at full size only. The other sees smaller ones first, and goes on at full size with the same
weights. Convolutions take images of any size, so all weights fit. An image of half the side needs a quarter of the
arithmetic. The result is the bits/dim of 1,000 validation images at full size, by the averaged weights.

    OMP_NUM_THREADS=1 python -m benchmarks.progressive results/recipes/progressive.jsonl portraits64 --images 8000
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lines import Line, complete
from benchmarks.recipes import ENDLESS, NUM_IMAGES
from glowflow import data, weights
from glowflow.config import RunConfig
from glowflow.evaluate import likelihood
from glowflow.execution import Execution
from glowflow.execution.precision import fast_precision
from glowflow.model import Glow
from glowflow.presets import load_run
from glowflow.stored import StoredModel
from glowflow.training import Options, train
from glowflow.training.run import LAST

SHARES = (0.0, 0.25, 0.5)
"""The shares of the arithmetic that images of half the size get."""
CHEAPER = 4


def measure(preset: str, images: int, share: float) -> Line:
    """Train with a share of the arithmetic at half the size, and take the bits/dim."""
    small = round(images * share) * CHEAPER
    run = load_run(preset)
    with TemporaryDirectory() as folder:
        start = _enlarged(_half(run), small, Path(folder)) if small else None
        _train(run, images - small // CHEAPER, Path(folder, "large"), start)
        found = likelihood(
            Glow.from_pretrained(Path(folder, "large", LAST)), data.of_run(run, "validation").thinned(NUM_IMAGES)
        )
    return {"bits_per_dim": found.bits_per_dim, "standard_error": found.standard_error, "small_images": small}


def _half(run: RunConfig) -> RunConfig:
    """The run on images of half the side."""
    channels, height, width = run.model.image_shape
    return replace(run, model=replace(run.model, image_shape=(channels, height // 2, width // 2)))


def _enlarged(run: RunConfig, images: int, folder: Path) -> Path:
    """Train on small images. Return the folder of a model of large ones with the same weights."""
    _train(run, images, folder / "small", None)
    stored = StoredModel.open(folder / "small" / LAST)
    model = Glow.from_pretrained(stored)
    channels, height, width = run.model.image_shape
    config = replace(run.model, image_shape=(channels, 2 * height, 2 * width))
    weights.save(folder / "enlarged", model.state_dict(), asdict(config), stored.kind, model.class_names)
    return folder / "enlarged"


def _train(run: RunConfig, images: int, out: Path, start: Path | None) -> None:
    settings = replace(
        run.train, images=images, cooldown_images=0, validate_every=ENDLESS, start=str(start) if start else None
    )
    train(replace(run, train=settings), out, options=Options(Execution(precision=fast_precision("cpu"))))


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("preset")
    parser.add_argument("--images", type=int, required=True, help="images at full size that cost as much arithmetic")
    options = parser.parse_args()
    wanted = [{"preset": options.preset, "images": options.images, "share": share} for share in SHARES]
    for line in complete(options.out, measure, wanted):
        print(f"{line['bits_per_dim']:.4f} with {line['share']:.0%} of the arithmetic at half the size")


if __name__ == "__main__":
    main()
