"""How many samples of two models are broken, counted by readers who don't know which model drew which?

    python -m benchmarks.blind draw blind faces runs/mine
    python -m benchmarks.blind count blind reader-1.txt reader-2.txt --json results/edits/blind.json

`draw` mixes unchosen samples of both models into sheets of 16, numbered from 1, and writes down in key.json which model
drew which. A reader looks at the sheets alone, and lists the numbers of the images that are broken: an eye or a mouth
is missing or doubled, or the outline is torn. `count` compares the lists with the key.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glowflow import Glow
from glowflow.captions import captioned
from glowflow.pictures import grid, save
from glowflow.provenance import provenance

ON_A_SHEET, COLUMNS, ENLARGE = 16, 4, 4
KEY = "key.json"


def draw(out: Path, models: list[str], num: int, temperature: float, seed: int) -> None:
    """Write the sheets and the key."""
    out.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    samples = [Glow.from_pretrained(name).sample(num, temperature=temperature, generator=generator) for name in models]
    order = np.random.default_rng(seed).permutation(num * len(models))
    images = torch.cat(samples)[order]
    for first in range(0, len(images), ON_A_SHEET):
        several = images[first : first + ON_A_SHEET]
        picture = grid(several, COLUMNS, ENLARGE * 64 // several.shape[-1])
        rows = [(f"{first + 1 + row} to {first + row + COLUMNS}",) for row in range(0, len(several), COLUMNS)]
        save(captioned(picture, [()] * COLUMNS, rows), out / f"sheet-{1 + first // ON_A_SHEET}.png")
    key = {"models": [models[place // num] for place in order], "temperature": temperature, "seed": seed}
    (out / KEY).write_text(json.dumps(key, indent=1) + "\n")


def count(out: Path, lists: list[Path]) -> dict[str, Any]:
    """How many images of each model each reader has listed."""
    key = json.loads((out / KEY).read_text())
    drawn_by = np.array(key.pop("models"))
    broken = {reader.stem: np.array(reader.read_text().split(), int) - 1 for reader in lists}
    counts = {
        str(model): {
            "samples": int((drawn_by == model).sum()),
            "broken": {reader: int((drawn_by[listed] == model).sum()) for reader, listed in broken.items()},
        }
        for model in np.unique(drawn_by)
    }
    return key | counts | provenance()


def main() -> None:
    """Draw the sheets, or count what readers have found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    drawing, counting = kinds.add_parser("draw"), kinds.add_parser("count")
    drawing.add_argument("out", type=Path)
    drawing.add_argument("models", nargs=2)
    drawing.add_argument("--num", type=int, default=64)
    drawing.add_argument("--temperature", type=float, default=0.7)
    drawing.add_argument("--seed", type=int, default=0)
    counting.add_argument("out", type=Path)
    counting.add_argument("lists", nargs="+", type=Path)
    counting.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.kind == "draw":
        draw(options.out, options.models, options.num, options.temperature, options.seed)
        return
    told = json.dumps(count(options.out, options.lists), indent=1)
    print(told)
    if options.json:
        options.json.write_text(told + "\n")


if __name__ == "__main__":
    main()
