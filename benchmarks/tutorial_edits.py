"""Do edits hold on folders like those that people have, done as the tutorial does them?

For each of two beds (`edit_beds.py`), a model is trained by the command, and directions are found by the command. Then
120 test images are edited at strength 1 and at -1 along the direction of each label, as `glowflow edit` does, and it's
counted how many turned black (a mean below 8 of 255) or noisy (neighbours differ by more than 1.7 times what they did),
and in how many a classifier of its own, trained on the training images alone, sees the label change that was to.

    python benchmarks/tutorial_edits.py runs/tutorial-edits results/tutorial-edits.json --figure docs/images/tutorial-edits.png
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from edit_beds import BEDS
from PIL import Image
from torch import Tensor, nn

from glowflow import Glow
from glowflow.cli import main as command
from glowflow.data import Dataset, load
from glowflow.data.order import shuffled
from glowflow.durable import load_json, save_json
from glowflow.evaluate import batch_size
from glowflow.images import quantize
from glowflow.latents import Directions, directions_of, look
from glowflow.pictures import grid, stacked
from glowflow.provenance import provenance

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
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            parts += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(2))

    def forward(self, images: Tensor) -> Tensor:
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
    assert labels is not None
    return quantize(images, num_bits), labels


def edited(glow: Glow, images: Tensor, directions: Directions, name: str, strength: float) -> Tensor:
    """Images as `glowflow edit` writes them."""
    parts = images.split(batch_size(glow.config))
    return torch.cat([glow.decode(directions.edit(glow.encode(part), {name: strength})) for part in parts])


def roughness(images: Tensor) -> Tensor:
    """The mean absolute difference of neighbouring values (N,)."""
    values = images.double()
    return (values.diff(dim=2).abs().mean((1, 2, 3)) + values.diff(dim=3).abs().mean((1, 2, 3))) / 2


def outcome(before: Tensor, after: Tensor, labels: Tensor, judge: Judge, target: int, usual: Any) -> dict[str, Any]:
    """What became of images that were led towards a label."""
    others, named = labels != target, judge.named(after)
    return {
        "images": len(before),
        "black": int((after.double().mean((1, 2, 3)) < BLACK).sum()),
        "noisy": int((roughness(after) > NOISY * roughness(before)).sum()),
        "left_the_usual_range": sum(usual),
        "of_the_other_label": int(others.sum()),
        "label_changed": float((named[others] == target).double().mean()),
    }


def trial(bed: str, preset: str, work: Path, split: str) -> tuple[dict[str, Any], Image.Image]:
    """One bed, from its pictures to what became of the edited ones."""
    folder, run = work / bed, work / f"{bed}-{preset}"
    if not folder.is_dir():
        BEDS[bed](folder)
    for words in (["train", preset, "--data", f"{folder}", "--out", f"{run}"], ["attributes", f"{run}"]):
        if command(words):
            raise SystemExit(f"glowflow {' '.join(words)} failed.")
    glow, directions = Glow.from_pretrained(run).freeze(), directions_of(run)
    bits = glow.config.num_bits
    judge = trained_judge(load(str(folder), glow.config.image_shape, "train"), bits)
    dataset = load(str(folder), glow.config.image_shape, split).thinned(TEST_IMAGES)
    images, labels = seen(dataset, bits)
    before = look(glow, images)
    rows, pictures = {}, {"as they were": grid(images[:SHOWN], SHOWN)}
    for name in directions.names:
        for strength in (1.0, -1.0):
            after = edited(glow, images, directions, name, strength)
            index = dataset.class_names.index(name)
            target = index if strength > 0 else 1 - index
            left = [directions.usual.left(*pair) for pair in zip(before, look(glow, after), strict=True)]
            rows[f"{name} {strength:+.0f}"] = outcome(images, after, labels, judge, target, left)
            pictures[f"{bed}: {name} {strength:+.0f}"] = grid(after[:SHOWN], SHOWN)
            print(bed, name, strength, rows[f"{name} {strength:+.0f}"], flush=True)
    facts = {
        "bits_per_dim": load_json(run / "best" / "usual.json")["bits_per_dim"],
        "directions": [{"name": name, **about} for name, about in zip(directions.names, directions.about, strict=True)],
        "classifier_accuracy": float((judge.named(images) == labels).double().mean()),
        "edits": rows,
    }
    return facts, stacked(pictures)


def main() -> None:
    """Try every bed, print, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="where pictures and runs are kept")
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="edits32")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    found = {bed: trial(bed, options.preset, options.work, options.split) for bed in BEDS}
    about = {"preset": options.preset, "split": options.split}
    save_json(options.out, about | {"beds": {bed: facts for bed, (facts, _) in found.items()}} | provenance())
    if options.figure:
        stacked({bed: picture for bed, (_, picture) in found.items()}).save(options.figure)


if __name__ == "__main__":
    main()
