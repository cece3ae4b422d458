"""Do heat maps show what is unusual in an image? A square of another image is pasted into each of 100 test images.

    python -m benchmarks.heat_maps heat-maps.jsonl runs/digits faces --pictures heat-maps

The square's side is an eighth of the image's. What is usual is learned from validation images. A map has found the
square if its maximum, smoothed over 3x3 pixels, lies in the square or beside it. Squares that change hardly anything
are drawn again: nobody could find them.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from benchmarks.lines import Line, complete
from glowflow.commands.inputs import dataset_for, opened
from glowflow.data import Dataset
from glowflow.evaluate import Floats
from glowflow.pictures import save
from glowflow.scoring.heat import drawn, heats
from glowflow.scoring.where import UsualBits

NUM_IMAGES, NUM_PICTURES = 100, 10
VISIBLE = 64
"""The mean change of the square's values, of 255, below which another square is drawn."""
BESIDE = 2
"""Pixels that a maximum may be away from the square. The finest positions of a model are squares of 2x2 pixels."""

Corners = NDArray[np.int64]


def pasted(images: NDArray[np.uint8], side: int, seed: int = 0) -> tuple[NDArray[np.uint8], Corners]:
    """Images (N, H, W, C) that each have a square of another one, and the squares' upper left corners (N, 2)."""
    rng, changed, corners = np.random.default_rng(seed), images.copy(), []
    for index, image in enumerate(changed):
        other = images[(index + rng.integers(1, len(images))) % len(images)]
        while True:
            (to, at), (from_, left) = rng.integers(0, np.subtract(image.shape[:2], side - 1), (2, 2))
            square = other[from_ : from_ + side, left : left + side]
            place = image[to : to + side, at : at + side]
            if np.abs(square.astype(float) - place).mean() >= VISIBLE:
                break
            other = images[(index + rng.integers(1, len(images))) % len(images)]
        place[:] = square
        corners.append((to, at))
    return changed, np.array(corners)


def found(maps: Floats, corners: Corners, side: int) -> NDArray[np.bool_]:
    """Which maps (N, H, W) have their smoothed maximum in the square, or beside it."""
    smooth = F.avg_pool2d(torch.from_numpy(maps)[:, None], 3, stride=1, padding=1, count_include_pad=False)
    peaks = np.stack(np.unravel_index(smooth.flatten(1).argmax(1).numpy(), maps.shape[1:]), axis=1)
    is_near: NDArray[np.bool_] = np.all((corners - BESIDE <= peaks) & (peaks < corners + side + BESIDE), axis=1)
    return is_near


def measure(model: str, pictures: Path) -> Line:
    """How many squares the maps of a model find, and the plain maps of its bits for comparison."""
    stored, glow = opened(model, "cpu")
    test, validation = (dataset_for(stored, None, glow, split) for split in ("test", "validation"))
    images = np.asarray(test.thinned(NUM_IMAGES).images)
    side = -(-images.shape[1] // 8)
    changed, corners = pasted(images, side)
    usual = UsualBits.of(glow, validation)
    maps = list(heats(glow, Dataset(test.name, "test", changed), range(len(changed)), usual))
    plain, excess = (np.stack([heat.values for heat in kind]) for kind in zip(*maps, strict=True))
    for index, each in enumerate(maps[:NUM_PICTURES]):
        name = f"{Path(model).name}-{index}"
        save(drawn(changed[index], each, (name,)), pictures / f"{name}.png")
    return {
        "data": test.name,
        "images": len(images),
        "side": side,
        "found": int(found(excess, corners, side).sum()),
        "found_by_plain_map": int(found(plain, corners, side).sum()),
    }


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--pictures", type=Path, required=True, help="the folder for ten pictures of each model")
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    wanted = [{"model": model} for model in options.models]
    for line in complete(options.out, partial(measure, pictures=options.pictures), wanted):
        print(f"{line['model']}: {line['found']} of {line['images']} ({line['found_by_plain_map']} by the plain map)")


if __name__ == "__main__":
    main()
