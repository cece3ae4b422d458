"""The facts about a model that the page needs, whoever computes for it."""

from collections.abc import Mapping
from typing import Any

from glowflow.data import BUILT_IN
from glowflow.data.image_file import MODES
from glowflow.demo.opposites import opposites
from glowflow.latents import Directions, Usual
from glowflow.latents.usual import FALLEN, NOTABLY
from glowflow.model import Glow
from glowflow.presets.size import size


def about(glow: Glow, name: str, directions: Directions | None, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Facts about a model, as JSON.

    Args:
        glow: The model.
        name: Its name on the page.
        directions: The directions of its sliders, if it has any.
        usual: The bits/dim of images like those of its training (`StoredModel.usual`); empty if they aren't known.
    """
    config = glow.config
    return {
        "name": name,
        "image_shape": config.image_shape,
        "num_bits": config.num_bits,
        "latent_shapes": config.latent_shapes,
        "class_names": glow.class_names,
        "num_parameters": size(config).parameters,
        "attributes": _attributes(directions) if directions else [],
        "usual": usual,
        "shows": BUILT_IN[usual["data"]].shows if usual.get("data") in BUILT_IN else "",
        "excess": {"notably": NOTABLY, "fallen": FALLEN},
        "takes_images": config.image_shape[0] in MODES,
    }


def usual_range(directions: Directions | None, usual: Mapping[str, Any]) -> Usual | None:
    """The range that edited pictures are compared with: that of the directions, or that of the training; or none."""
    return (directions.usual if directions else None) or Usual.stored(usual)


def tolerated(directions: Directions | None) -> float:
    """How far outside the range a picture may be before the page says so; further if no edits were tried before."""
    return 0.0 if directions is None or directions.are_tried else FALLEN


def _attributes(directions: Directions) -> list[Mapping[str, Any]]:
    others = opposites(directions)
    return [
        {"name": name, **({"opposite": others[name]} if name in others else {}), **about}
        for name, about in zip(directions.names, directions.about, strict=True)
    ]
