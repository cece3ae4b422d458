"""The heat maps that `glowflow score` draws of the most unusual images."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.checks import check_whole
from glowflow.commands.drawing import without_ending
from glowflow.commands.inputs import check_replaceable
from glowflow.errors import counted
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
    """Refuse a folder for maps that isn't new or empty, or a number of them that is out of range."""
    check_whole("--maps-num", num, 1)
    if folder is not None:
        check_replaceable("--maps", folder)


def draw_maps(
    folder: Path,
    num: int,
    stored: "StoredModel",
    glow: "Glow",
    usual: "UsualBits | None",
    score: str,
    scored: "Sequence[tuple[Dataset, Floats]]",
    seed: int,
) -> None:
    """Draw the maps of the `num` most unusual of some images, as files whose names begin with their rank.

    Args:
        folder: Where to, see `check_maps`.
        num: How many.
        stored: The model.
        glow: The model in its inference form.
        usual: The bits that usual images take. A line reports that they are unknown.
        score: The name of the score that ranks the images.
        scored: Data sets, and this score (N,) of each image. More is more unusual.
        seed: The seed of the dequantisation noise, as in `evaluate.scores`.
    """
    from glowflow.durable import replacing_directory
    from glowflow.pictures import save
    from glowflow.scoring.heat import drawn, heats
    from glowflow.scoring.ranking import most_unusual
    from glowflow.scoring.reference import how_to_make

    if usual is None:
        again = how_to_make(stored, "a reference, which also has the bits that usual images take there")
        say(f"The maps show only the bits of each pixel. {again}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    places = most_unusual([values for _, values in scored], num)
    with replacing_directory(folder) as new:
        for part, (dataset, values) in enumerate(scored):
            ranks = {row: rank for rank, (number, row) in enumerate(places.tolist(), 1) if number == part}
            for (row, rank), maps in zip(ranks.items(), heats(glow, dataset, list(ranks), usual, seed), strict=True):
                name = dataset.describe(row)
                title = (f"{name} ({dataset.split})", f"{score} {values[row]:.3f}")
                path = new / f"{rank:0{len(str(num))}}-{dataset.split}-{_safe(without_ending(name))}.png"
                save(drawn(dataset.images[row], maps, title), path)
    say(f"{counted(len(places), 'map')} in {folder}, the most unusual image first.")


def _safe(name: str) -> str:
    """The end of a name, with _ for what file systems or shells may take amiss."""
    return re.sub(r"[^\w.-]+", "_", name)[-LONGEST_NAME:]
