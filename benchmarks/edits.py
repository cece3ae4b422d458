"""Do attributes' directions do what their names say? A classifier, trained on real images, tells.

For each attribute it measures how often an edit of strength 1 gives it to test images without it, and an edit of -1
takes it from those with it; how many other attributes change; and which of them changes most often. Images are
quantised as the model sees them. The classifier's own errors are given too. The darkest and the roughest image before
all edits and after each show whether an edit makes images black or noisy.

    python -m benchmarks.edits faces results/edits/edits.json --figure docs/images/edits.png \
        --cases docs/images/cases.png
"""

import argparse
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from glowflow import Glow
from glowflow.data import Split, load
from glowflow.durable import save_json
from glowflow.evaluate import batch_size
from glowflow.images import quantize
from glowflow.judging.classifier import Classifier
from glowflow.judging.task import Task
from glowflow.judging.training import classifier_for
from glowflow.latents import Directions, directions_of
from glowflow.pictures import grid, stacked
from glowflow.progress import progress
from glowflow.provenance import provenance

GOOD, BAD = 4, 2
"""The cases of each kind in a row of the picture."""
STRENGTHS = 7


@dataclass(frozen=True)
class Trial:
    """Images with known attributes, a model that changes them, and a classifier that judges the changes."""

    model: Glow
    directions: Directions
    classifier: Classifier
    images: Tensor
    """uint8 (N, C, H, W)."""
    truth: Tensor
    """The attributes of each image, bool (N, A)."""
    names: list[str]

    @cached_property
    def z(self) -> Tensor:
        """Their latents (N, D)."""
        return torch.cat([self.model.encode(part) for part in self.images.split(batch_size(self.model.config))])

    @cached_property
    def before(self) -> Tensor:
        """The classifier's answers."""
        return self.named(self.images)

    def named(self, images: Tensor) -> Tensor:
        """The attributes that the classifier sees, bool (N, A)."""
        with torch.no_grad():
            return torch.cat([self.classifier(part) > 0 for part in images.split(100)])

    def decode(self, z: Tensor) -> Tensor:
        """Images of latents, in float32."""
        parts = z.split(batch_size(self.model.config))
        return torch.cat([self.model.decode(part, exact=False) for part in parts])

    def edited(self, name: str, strength: float = 1.0) -> Tensor:
        """The images, edited: an attribute is given to those without it and taken from those with it."""
        strengths = torch.where(self.truth[:, self.names.index(name)], -strength, strength)[:, None]
        return self.decode(self.z + strengths * self.directions.vectors[self.directions.index(name)])

    def row(self, name: str, edited: Tensor) -> dict[str, Any]:
        """The results for one attribute."""
        column, after = self.names.index(name), self.named(edited)
        has = self.truth[:, column]
        flipped = after[:, column] != has
        changed = (after != self.before).float()
        changed[:, column] = 0
        most = int(changed.mean(0).argmax())
        return {
            "given": _share(flipped[~has]),
            "taken": _share(flipped[has]),
            "images_with": int(has.sum()),
            "others_changed": float(changed.sum(1).mean()),
            "most_changed": self.names[most],
            "most_changed_share": float(changed[:, most].mean()),
            "classifier_accuracy": _share(self.before[:, column] == has),
            **extremes(edited),
        }

    def cases(self, name: str, edited: Tensor) -> Image.Image:
        """Faces without an attribute beside their edits: first some that gained it, then some that didn't."""
        column = self.names.index(name)
        without, gained = ~self.truth[:, column], self.named(edited)[:, column]
        good, bad = torch.where(without & gained)[0][:GOOD], torch.where(without & ~gained)[0][:BAD]
        blank = torch.full_like(self.images[:1], 255).expand(2, -1, -1, -1)
        pairs = [torch.stack([self.images[index], edited[index]]) for index in (*good, *bad)]
        pairs[len(good) : len(good)] = [blank] * (GOOD - len(good))
        return grid(torch.cat(pairs + [blank] * (GOOD + BAD - len(pairs))), 2 * (GOOD + BAD))

    def sweep(self, name: str, index: int) -> Image.Image:
        """One face at strengths from -1 to 1."""
        strengths = torch.linspace(-1, 1, STRENGTHS)[:, None]
        return grid(self.decode(self.z[index] + strengths * self.directions.vectors[self.directions.index(name)]), 7)


def extremes(images: Tensor) -> dict[str, float]:
    """How dark the darkest of uint8 images (N, C, H, W) is, and how rough the roughest one.

    The brightness of an image is its mean value. Its roughness is the mean difference of neighbours in that square of
    8x8 pixels where it's largest. So noise in a part of an image counts, too.
    """
    values = images.float()
    across = (values[..., 1:] - values[..., :-1]).abs()[..., 1:, :]
    down = (values[..., 1:, :] - values[..., :-1, :]).abs()[..., 1:]
    squares = avg_pool2d((across + down).mean(1, keepdim=True) / 2, 8)
    return {"darkest": float(values.mean((1, 2, 3)).min()), "roughest": float(squares.max())}


def _share(values: Tensor) -> float:
    return float(values.float().mean())


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options of a trial."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model")
    options.add_argument("out", type=Path)
    options.add_argument("--data", default="portraits")
    options.add_argument("--images", type=int, default=500)
    return options


def trial(options: argparse.Namespace, split: Split) -> tuple[Trial, dict[str, Any]]:
    """The trial for some options, and facts about the classifier."""
    model, directions = Glow.from_pretrained(options.model), directions_of(options.model)
    config = model.config
    dataset = load(options.data, config.image_shape, split).thinned(options.images)
    if dataset.attributes is None:
        raise SystemExit(f"{options.data} has no attributes.")
    classifier = classifier_for(Task(load(options.data, config.image_shape, "train"), config.num_bits))
    about = {"classifies": "attributes", "accuracy": float(classifier.accuracy)}
    images = quantize(dataset.batch(range(len(dataset)))[0], config.num_bits)
    truth, names = torch.from_numpy(np.array(dataset.attributes)), list(dataset.attribute_names)
    return Trial(model.freeze(), directions, classifier, images, truth, names), about


def report(name: str, row: dict[str, Any]) -> str:
    """A line of the table."""
    return (
        f"{name:16} given {row['given']:5.0%}  taken {row['taken']:5.0%}  others changed {row['others_changed']:.2f} "
        f"(most: {row['most_changed']}, {row['most_changed_share']:.0%})  classifier {row['classifier_accuracy']:.1%}"
    )


def main() -> None:
    """Train or load the classifier, measure, print, draw and write."""
    known = parser(__doc__)
    known.add_argument("--figure", type=Path)
    known.add_argument("--cases", type=Path)
    options = known.parse_args()
    chosen, judge = trial(options, "test")
    rows, cases, sweeps = {}, {}, {}
    with progress("Edits", len(chosen.directions.names), "attributes") as advance:
        for index, name in enumerate(chosen.directions.names):
            edited, title = chosen.edited(name), name.replace("_", " ")
            rows[name] = chosen.row(name, edited)
            cases[f"{title}: gained ({GOOD}), not gained ({BAD})"] = chosen.cases(name, edited)
            sweeps[title] = chosen.sweep(name, index)
            advance(1)
    about = {"model": options.model, "data": options.data, "split": "test", "images": len(chosen.images)}
    about |= extremes(chosen.images)
    save_json(options.out, about | {"classifier": judge, "attributes": rows} | provenance())
    print("\n".join(report(name, row) for name, row in rows.items()))
    for path, pictures in ((options.figure, sweeps), (options.cases, cases)):
        if path:
            stacked(pictures).save(path)


if __name__ == "__main__":
    main()
