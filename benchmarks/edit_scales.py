"""How far should a strength of 1 go? A classifier decides for each attribute, on validation images.

It takes the shortest multiple of a direction that gives the attribute to nine images in ten. If none does, it takes the
one that succeeds most often, after a fifth is subtracted for each other attribute that changes. The model's directions
are then made this long, and the range of strengths is measured at which edited images stay usual (`latents.ranged`).

    python -m benchmarks.edit_scales src/glowflow/models/faces results/edits/edit-scales.json
"""

from dataclasses import replace

from benchmarks.edits import Trial, parser, report, trial
from glowflow import Glow
from glowflow.data import load
from glowflow.durable import save_json
from glowflow.latents import Usual, ranged
from glowflow.progress import progress
from glowflow.provenance import provenance
from glowflow.stored import StoredModel

SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
OFTEN = 0.9
PRICE_OF_ANOTHER = 0.2


def chosen(found: Trial, name: str) -> float:
    """The multiple of one attribute's direction."""
    worth = {}
    for scale in SCALES:
        row = found.row(name, found.edited(name, scale))
        print(f"{scale:.1f} x {report(name, row)}", flush=True)
        if row["given"] >= OFTEN:
            return scale
        worth[scale] = row["given"] - PRICE_OF_ANOTHER * row["others_changed"]
    return max(worth, key=lambda scale: worth[scale])


def main() -> None:
    """Choose for every attribute, and write."""
    options = parser(__doc__).parse_args()
    found, judge = trial(options, "validation")
    names = found.directions.names
    found = replace(found, directions=found.directions.scaled([1.0] * len(names)))
    with progress("Scales", len(names), "attributes") as advance:
        scales = []
        for name in names:
            scales.append(chosen(found, name))
            advance(1)
    about = {"model": options.model, "data": options.data, "split": "validation", "images": len(found.images)}
    save_json(
        options.out, about | {"classifier": judge, "scales": dict(zip(names, scales, strict=True))} | provenance()
    )
    directions = found.directions.scaled(scales)
    stored = StoredModel.open(options.model)
    validation = load(options.data, stored.config.image_shape, "validation")
    frozen = Glow.from_pretrained(stored).freeze()
    directions = ranged(frozen, validation, directions, Usual.stored(stored.usual))
    replace(directions, vectors=directions.vectors.half()).save(stored)


if __name__ == "__main__":
    main()
