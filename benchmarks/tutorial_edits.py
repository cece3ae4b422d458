"""Do edits hold on folders like those that people have, done as the tutorial does them?

For each of two beds (`edit_beds.py`), a model is trained by the command, and directions are found by the command. Then
120 test images are edited at strengths 1 and -1 along the direction of each label, as `glowflow edit` does. Counted are
those that turned black (a mean below 8 of 255) or noisy (neighbours differ by more than 1.7 times what they did), and
those that a small classifier, trained on the training images alone, sees with the label that they were led to.

    python -m benchmarks.tutorial_edits runs/edits results/edits/tutorial-edits.json \
        --figure docs/images/tutorial-edits.png
"""

import argparse
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.edit_beds import BEDS
from glowflow import Glow
from glowflow.cli import main as command
from glowflow.data import Dataset, Split, load
from glowflow.durable import save_json
from glowflow.evaluate import batch_size
from glowflow.images import quantize
from glowflow.latents import Directions, directions_of, look
from glowflow.order import shuffled
from glowflow.pictures import grid, stacked
from glowflow.provenance import provenance
from glowflow.stored import StoredModel

TEST_IMAGES = 120
BLACK = 8
NOISY = 1.7
SHOWN = 14
EPOCHS, BATCH, LARGEST_RATE = 30, 32, 3e-3


class Judge(nn.Module):
    """Three convolutions, each of stride 2, and a linear layer: logits (B, 2) of images (B, C, H, W), uint8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 32, 64, 64)
        parts: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            parts += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(2))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of both labels."""
        return self.layers(images.float() / 255 - 0.5)

    @torch.no_grad()
    def named(self, images: Tensor) -> Tensor:
        """The label of each image."""
        return torch.cat([self(part).argmax(1) for part in images.split(100)])


def trained_judge(dataset: Dataset, num_bits: int) -> Judge:
    """A classifier of a data set's labels, trained on images as the model sees them, and their mirror images."""
    torch.manual_seed(0)
    judge = Judge(dataset.image_shape[0])
    images, labels = seen(dataset, num_bits)
    judge(images[:2])
    optimizer = torch.optim.AdamW(judge.parameters(), lr=LARGEST_RATE, weight_decay=0.05)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps)
    for step in range(steps):
        rows = shuffled(0, step * BATCH, BATCH, len(images))
        batch = images[rows].flip(3) if step % 2 else images[rows]
        optimizer.zero_grad()
        F.cross_entropy(judge(batch), labels[rows], label_smoothing=0.05).backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


def seen(dataset: Dataset, num_bits: int) -> tuple[Tensor, Tensor]:
    """All images, quantised as the model sees them, and their labels."""
    images, labels = dataset.batch(range(len(dataset)))
    if labels is None:
        raise SystemExit(f"{dataset.name} has no labels.")
    return quantize(images, num_bits), labels


@dataclass(frozen=True)
class Trial:
    """A model with its directions, images to edit, and who is to tell their labels."""

    glow: Glow
    directions: Directions
    judge: Judge
    images: Tensor
    """uint8 (N, C, H, W)."""
    labels: Tensor
    names: tuple[str, ...]

    def edited(self, name: str, strength: float) -> Tensor:
        """The images as `glowflow edit` writes them."""
        glow, parts = self.glow, self.images.split(batch_size(self.glow.config))
        return torch.cat([glow.decode(self.directions.edit(glow.encode(part), {name: strength})) for part in parts])

    def outcome(self, name: str, strength: float, after: Tensor) -> dict[str, dict[str, Any]]:
        """What became of the images that were led towards the other label, and of those led further from it."""
        target = self.names.index(name) if strength > 0 else 1 - self.names.index(name)
        lack = self.labels != target
        return {"to the other label": self._counts(lack, after, target), "further": self._counts(~lack, after, target)}

    def _counts(self, chosen: Tensor, after: Tensor, target: int) -> dict[str, Any]:
        """How many of some images turned black or noisy, left the usual range, and are seen with the label."""
        images, after = self.images[chosen], after[chosen]
        ratios = roughness(after) / roughness(images)
        return {
            "images": len(after),
            "black": int((after.double().mean((1, 2, 3)) < BLACK).sum()),
            "noisy": int((ratios > NOISY).sum()),
            "largest_ratio_of_differences": float(ratios.max()),
            "reported_by_edit": self._reported(images, after),
            "seen_with_the_label": float((self.judge.named(after) == target).double().mean()),
        }

    def _reported(self, images: Tensor, after: Tensor) -> int:
        usual = self.directions.usual
        pairs = zip(look(self.glow, images), look(self.glow, after), strict=True)
        return sum(usual.left(*pair) for pair in pairs) if usual else 0

    @property
    def accuracy(self) -> float:
        """How often the judge is right about the images as they are."""
        return float((self.judge.named(self.images) == self.labels).double().mean())


def roughness(images: Tensor) -> Tensor:
    """The mean absolute difference of neighbouring values (N,)."""
    values = images.double()
    return (values.diff(dim=2).abs().mean((1, 2, 3)) + values.diff(dim=3).abs().mean((1, 2, 3))) / 2


def as_the_tutorial_does(bed: str, work: Path, preset: str) -> tuple[Path, Path]:
    """A bed's folder and a run with directions, made by the commands where they aren't there yet."""
    folder, run = work / bed, work / f"{bed}-{preset}"
    if not folder.is_dir():
        BEDS[bed](folder)
    for words in (["train", preset, "--data", f"{folder}", "--out", f"{run}"], ["attributes", f"{run}"]):
        if command(words):
            raise SystemExit(f"glowflow {' '.join(words)} failed.")
    return folder, run


def trial(folder: Path, run: Path, split: Split) -> Trial:
    """Images of a folder and a run that is to edit them."""
    glow = Glow.from_pretrained(run).freeze()
    shape, bits = glow.config.image_shape, glow.config.num_bits
    judge = trained_judge(load(str(folder), shape, "train"), bits)
    dataset = load(str(folder), shape, split).thinned(TEST_IMAGES)
    return Trial(glow, directions_of(run), judge, *seen(dataset, bits), dataset.class_names)


def measured(found: Trial) -> tuple[dict[str, Any], Image.Image]:
    """What became of images at strengths 1 and -1 of each direction, and a picture of some."""
    shown = torch.linspace(0, len(found.images) - 1, SHOWN).long()
    rows, pictures = {}, {"test images": grid(found.images[shown], SHOWN)}
    for name in found.directions.names:
        for strength in (1.0, -1.0):
            after, title = found.edited(name, strength), f"{name} {strength:+.0f}"
            rows[title] = found.outcome(name, strength, after)
            pictures[title] = grid(after[shown], SHOWN)
            print(title, rows[title], flush=True)
    about = zip(found.directions.names, found.directions.about, strict=True)
    facts = {
        "directions": [{"name": name, **facts} for name, facts in about],
        "usual": asdict(found.directions.usual) if found.directions.usual else None,
        "classifier_accuracy": found.accuracy,
    }
    return facts | {"edits": rows}, stacked(pictures)


def main() -> None:
    """Try every bed, print, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="where pictures and runs are kept")
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="edits32")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    beds, pictures = {}, {}
    for bed in BEDS:
        folder, run = as_the_tutorial_does(bed, options.work, options.preset)
        beds[bed], pictures[bed] = measured(trial(folder, run, options.split))
        beds[bed] |= {"training": StoredModel.open(run).usual}
    about = {"preset": options.preset, "split": options.split, "black": BLACK, "noisy": NOISY}
    save_json(options.out, about | {"beds": beds} | provenance())
    if options.figure:
        stacked(pictures).save(options.figure)


if __name__ == "__main__":
    main()
