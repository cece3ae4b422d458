"""How far edits go, in words: when directions are found, and when an edited picture leaves the usual range."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glowflow.commands.inputs import dataset_for
from glowflow.progress import say

if TYPE_CHECKING:
    from torch import Tensor

    from glowflow.data import Dataset, Range
    from glowflow.latents import Directions
    from glowflow.model import Glow
    from glowflow.stored import StoredModel

WORTH_A_LINE = 0.05
"""The share of images that must fall apart, when moved further in their own label, before this is reported."""
FEWEST_TRIED = 30
"""The fewest validation images that make a reliable usual range."""


def tried_on(
    stored: "StoredModel", data: str | None, glow: "Glow", examples: "Dataset", value_range: "Range | None"
) -> "Dataset":
    """The images on which directions are tried: validation images, or the examples where these are too few."""
    validation = dataset_for(stored, data, glow, "validation", value_range, may_be_empty=True)
    return validation if len(validation) >= FEWEST_TRIED else examples


def described(facts: Mapping[str, Any]) -> str:
    """Describe how a direction was found."""
    counts = f"{facts['with']:,} images with it, {facts['without']:,} without"
    scale = f"a strength of 1 is {facts['scale']:.2f} times the difference of their means"
    return f"{counts}; {scale}; {facts['tried']['stay']:.0%} of images edited towards the other label stay usual"


def say_too_far(directions: "Directions", *, was_given: bool) -> None:
    """Report each direction along which edits of strength 1 go too far.

    Args:
        directions: As `reaching` gave them.
        was_given: True if the user chose how far.
    """
    from glowflow.latents.reach import Outcome

    advice = "Use smaller strengths, or leave out --scale." if was_given else "Use smaller strengths."
    for name, facts in zip(directions.names, directions.about, strict=True):
        outcome = Outcome(**facts["tried"])
        if not outcome.is_good:
            say(
                f"Edits along {name} may go wrong at strength 1: {1 - outcome.stay:.0%} of images that are edited "
                f"towards the other label become unlike those that the model knows, and {outcome.fall:.0%} fall apart. "
                f"{advice}"
            )
        elif outcome.further > WORTH_A_LINE:
            say(
                f"Edits along {name} are meant for images of the other label: at strength 1, {outcome.further:.0%} of "
                f"images fall apart if they are moved further in their own label."
            )


def say_unusual(
    stored: "StoredModel",
    directions: "Directions",
    glow: "Glow",
    label: int | None,
    edited: "Mapping[Path, Tensor]",
    by: Sequence[str],
) -> None:
    """Report each image that an edit leads out of the usual range, or that was outside before.

    Args:
        stored: The model, which may have the range that was usual in its training.
        directions: Along which images were edited, which may have a range of their own.
        glow: The model in its inference form.
        label: The images' class.
        edited: Pictures (N, C, H, W), uint8, for each image: the first is the image as it was, the last the edited one.
        by: What was changed, as the user gave it.
    """
    import torch

    from glowflow.latents import Usual, look
    from glowflow.latents.usual import NOTABLY

    usual = directions.usual or Usual.stored(stored.usual)
    if usual is None:
        return
    change = " ".join(f"--by.{strength}" for strength in by)
    for path, pictures in edited.items():
        y = None if label is None else torch.full((2,), label, device=glow.device)
        before, after = look(glow, pictures[[0, -1]], y)
        if usual.left(before, after) if directions.are_tried else usual.fell(before, after):
            fate = "has probably fallen apart" if usual.fell(before, after) else "is unlike those that the model knows"
            say(
                f"{path} with {change} takes {usual.compared(after)}: the edited picture {fate}. "
                "Try a strength nearer to 0."
            )
        elif usual.excess(before) > NOTABLY:
            say(
                f"{path} takes {usual.compared(before)}, even before the edit: it's unlike the images that the model "
                "knows, so edits may look strange."
            )
