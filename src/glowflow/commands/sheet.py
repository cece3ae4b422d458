"""The picture of the most and the least unusual images that `glowflow score --sheet` draws."""

from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.commands.drawing import without_ending
from glowflow.commands.inputs import check_picture
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from glowflow.data import Dataset
    from glowflow.evaluate import Floats

COLUMNS, ROWS = 10, 4
"""Images in a row, and rows of the most and of the least unusual ones."""


def check_sheet(path: Path | None) -> None:
    """Refuse a picture that can't be written."""
    if path is not None:
        check_picture(path)


def draw_sheet(path: Path, score: str, scored: "Sequence[tuple[Dataset, Floats]]") -> None:
    """Draw the images with the highest scores and those with the lowest, each with its number."""
    from glowflow.pictures import save, stacked
    from glowflow.scoring.ranking import most_unusual

    order = most_unusual([values for _, values in scored]).tolist()
    least = min(COLUMNS * ROWS, len(order) // 2)  # an image is in one half alone
    most = min(COLUMNS * ROWS, len(order) - least)
    chosen = {"Most unusual": order[:most], "Least unusual": order[::-1][:least]}
    pictures = {
        f"{name}, by {score}": _row([(scored[part][0], row, scored[part][1][row]) for part, row in places])
        for name, places in chosen.items()
        if places
    }
    save(stacked(pictures), path)
    say(f"The most and the least unusual images are in {path}.")


def _row(images: "Sequence[tuple[Dataset, int, float]]") -> "Image.Image":
    """Images in rows, each below its number."""
    import numpy as np
    import torch
    from PIL import Image

    from glowflow.captions import captioned
    from glowflow.pictures import grid

    rows = []
    for start in range(0, len(images), COLUMNS):
        part = images[start : start + COLUMNS]
        tiles = torch.from_numpy(np.stack([dataset.images[row] for dataset, row, _ in part])).permute(0, 3, 1, 2)
        captions = [(f"{value:.3g}", without_ending(dataset.describe(row))) for dataset, row, value in part]
        rows.append(captioned(grid(tiles, len(part)).convert("RGB"), captions))
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), "white")
    for index, row in enumerate(rows):
        sheet.paste(row, (0, index * rows[0].height))
    return sheet
