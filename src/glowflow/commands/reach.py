"""How far edits go, in words: when directions are found, and when an edited picture leaves the usual range."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glowflow.commands.inputs import dataset_for
from glowflow.progress import say

if TYPE_CHECKING:
    from torch import Tensor

    from glowflow.data import Dataset, Range
    from glowflow.latents import Directions, Usual
    from glowflow.model import Glow

FEWEST_TRIED = 30
"""Validation images; of fewer, a usual range says too little."""


def tried_on(model: str, data: str | None, glow: "Glow", examples: "Dataset", value_range: "Range | None") -> "Dataset":
    """The images on which directions are tried: validation images, or the examples where these are too few."""
    validation = dataset_for(model, data, glow, "validation", value_range, may_be_empty=True)
    return validation if len(validation) >= FEWEST_TRIED else examples


def described(facts: Mapping[str, Any]) -> str:
    """How a direction was found."""
    return (
        f"{facts['with']:,} images with it, {facts['without']:,} without; a strength of 1 goes {facts['scale']:.2f} "
        f"times as far as from one mean to the other, and {facts['tried']['stay']:.0%} of edited images stay usual"
    )


def say_too_far(directions: "Directions", *, was_given: bool) -> None:
    """A line for each direction along which edits of strength 1 go too far.

    Args:
        directions: As `reaching` gave them.
        was_given: Whether the user chose how far.
    """
    from glowflow.latents.reach import Outcome

    advice = "Use smaller strengths, or leave out --scale." if was_given else "Use smaller strengths."
    for name, facts in zip(directions.names, directions.about, strict=True):
        outcome = Outcome(**facts["tried"])
        if not outcome.is_good:
            say(
                f"Edits along {name} may go wrong: at strength 1, {1 - outcome.stay:.0%} of edited images aren't like "
                f"those that the model knows, and {outcome.fall:.0%} fall apart. {advice}"
            )


def say_unusual(
    model: str, glow: "Glow", label: int | None, edited: "Mapping[Path, Tensor]", by: Sequence[str]
) -> None:
    """A line for each image that an edit leads out of the usual range, or that was outside before.

    Args:
        model: Where the range is stored.
        glow: The model.
        label: The images' class.
        edited: Pictures (N, C, H, W), uint8, for each image: the first is the image as it was, the last the edited one.
        by: What was changed, as the user gave it.
    """
    import torch

    from glowflow.latents import look
    from glowflow.latents.usual import NOTABLY

    usual = _usual(model)
    if usual is None:
        return
    change = " ".join(f"--by.{strength}" for strength in by)
    for path, pictures in edited.items():
        ends = pictures[[0, -1]]
        y = None if label is None else torch.full((2,), label, device=glow.device)
        before, after = look(glow, ends, y)
        if usual.left(before, after):
            fate = "has probably fallen apart" if usual.fell(before, after) else "is unlike those that the model knows"
            say(
                f"{path} with {change} takes {usual.compared(after)}: the edited picture {fate}. "
                f"Try a strength nearer to 0."
            )
        elif usual.excess(before) > NOTABLY:
            say(
                f"{path} takes {usual.compared(before)}, even before the edit: it's unlike the images that the model "
                f"knows, so edits may look strange."
            )


def _usual(model: str) -> "Usual | None":
    """The range that was measured with the directions, or else when the model was trained."""
    from glowflow import weights
    from glowflow.latents import Usual, directions_of

    return directions_of(model).usual or Usual.stored(weights.usual(model))
