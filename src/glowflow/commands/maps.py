"""The heat maps that `glowflow score` draws of the most unusual images."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.checks import check_whole
from glowflow.commands.inputs import check_folder, dataset_for
from glowflow.errors import InputError, counted
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.data import Dataset
    from glowflow.evaluate import Floats
    from glowflow.model import Glow
    from glowflow.scoring.where import UsualBits
    from glowflow.stored import StoredModel

LONGEST_NAME = 50
"""Characters of an image's name that go into the name of its picture."""


def check_maps(folder: Path | None, num: int) -> None:
    """Refuse a folder for maps that isn't new, or a number of them that is out of range."""
    check_whole("--maps-num", num, 1)
    if folder is not None:
        check_folder("--maps", folder)


def draw_maps(
    folder: Path,
    num: int,
    stored: "StoredModel",
    glow: "Glow",
    score: str,
    scored: "Sequence[tuple[Dataset, Floats]]",
    seed: int,
) -> None:
    """Draw the maps of the `num` most unusual of some images, as files whose names begin with their rank.

    Args:
        folder: Where to, see `check_maps`.
        num: How many.
        stored: The model, whose own validation images tell what is usual.
        glow: The model in its inference form.
        score: The name of the score that ranks the images.
        scored: Data sets, and this score (N,) of each image. More is more unusual.
        seed: The seed of the dequantisation noise, as in `evaluate.scores`.
    """
    from glowflow.pictures import save
    from glowflow.scoring.heat import drawn, heats

    usual = _usual(stored, glow)
    folder.mkdir(parents=True, exist_ok=True)
    ranked = _ranked([values for _, values in scored], num)
    for (dataset, values), ranks in zip(scored, ranked, strict=True):
        for (row, rank), maps in zip(ranks.items(), heats(glow, dataset, list(ranks), usual, seed), strict=True):
            name = dataset.describe(row)
            title = (f"{name} ({dataset.split})", f"{score} {values[row]:.3f}")
            path = folder / f"{rank:0{len(str(num))}}-{dataset.split}-{_safe(name)}.png"
            save(drawn(dataset.images[row], maps, title), path)
    total = sum(map(len, ranked))
    say(f"{counted(total, 'map')} in {folder}, the most unusual image first.")


def _usual(stored: "StoredModel", glow: "Glow") -> "UsualBits | None":
    """The bits that are usual for validation images of the model's own data; None, and a line, if there are none."""
    from glowflow.scoring.where import UsualBits

    try:
        return UsualBits.of(glow, dataset_for(stored, None, glow, "validation", may_be_empty=True))
    except InputError as error:
        say(f"The maps show only the bits of each pixel, not how far they are above usual bits: {error}")
        return None


def _ranked(scores: "Sequence[Floats]", num: int) -> list[dict[int, int]]:
    """For each data set, the rows of the `num` highest of all scores, with their ranks from 1 on."""
    import numpy as np

    places = [(part, row) for part, values in enumerate(scores) for row in range(len(values))]
    order = np.argsort(-np.nan_to_num(np.concatenate([np.empty(0), *scores]), nan=np.inf), kind="stable")[:num]
    ranked: list[dict[int, int]] = [{} for _ in scores]
    for rank, place in enumerate(order.tolist(), 1):
        part, row = places[place]
        ranked[part][row] = rank
    return ranked


def _safe(name: str) -> str:
    """The end of a name, with _ for what file systems or shells may take amiss."""
    return re.sub(r"[^\w.-]+", "_", name)[-LONGEST_NAME:]
