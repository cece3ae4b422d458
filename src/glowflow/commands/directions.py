"""The command that finds the directions along which attributes of images change."""

import shlex
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow import plugins
from glowflow.commands.inputs import SplitName, dataset_for, names_in, opened, own_directory, print_rows
from glowflow.errors import InputError, counted
from glowflow.paths import quoted
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.latents import Directions
    from glowflow.stored import StoredModel


def attributes(
    model: str,
    data: str | None = None,
    names: list[str] | None = None,
    method: Literal["means", "logistic"] = "means",
    orthogonal_to: list[str] | None = None,
    scale: float | None = None,
    split: SplitName = "train",
    num_images: int | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Find the directions in latent space along which attributes of images change, for `edit` and `demo`.

    Example: glowflow attributes runs/mine --data my_photos

    A direction leads from images without an attribute to images with it. The attributes are those of a data set, or the
    sub-folders of a folder. A strength of 1 goes as far as edited validation images stay like the images that the
    model knows. The directions are written into MODEL's directory. A new direction replaces an older one of the same
    name.

    Args:
        model: A run's directory, or a directory made by save_pretrained.
        data: A data set's name (or hf:NAME), a folder, or an .npz file; by default what the run was trained on.
        names: Only these attributes, separated by commas, such as Smiling,Beard. The option may be given several times.
            Write a name that contains commas as it is.
        method: "means" takes the difference of the mean latents with and without the attribute, as the original's
            demonstration does. "logistic" takes the normal of a logistic regression's boundary, which separates
            attributes that often occur together.
        orthogonal_to: Attributes that should not change, in the form of `names`. What a direction shares with the
            directions of these attributes is removed from it.
        scale: How far a strength of 1 goes, as a multiple of the direction that was found. By default it's the largest
            multiple, up to 4, at which 9 of 10 edited validation images stay like images that the model knows, and none
            falls apart.
        split: The part of the data that has the examples.
        num_images: The largest number of examples to use, chosen at random.
    """
    from glowflow.commands.reach import described, say_too_far, tried_on
    from glowflow.latents import Usual, fit, reaching
    from glowflow.latents.fitting import truths
    from glowflow.stored import StoredModel

    if num_images is not None and num_images < 1:
        raise InputError(f"--num-images is {num_images}; it takes a number of at least 1.")
    if scale is not None and not 0 < scale < inf:
        raise InputError(f"--scale is {scale:g}; it takes a number above 0, such as 2.")
    stored = StoredModel.open(model)
    directory, before = own_directory(stored, "Directions"), stored.digest
    _, glow = opened(stored, device)
    dataset = dataset_for(stored, data, glow, split, value_range)
    dataset = dataset if num_images is None or num_images >= len(dataset) else dataset.thinned(num_images)
    possible, _ = truths(dataset)
    others = names_in(orthogonal_to, possible)
    wanted = tuple(dict.fromkeys((*names_in(names, possible), *others))) if names else None
    found = fit(glow, dataset, wanted, method).orthogonal_to(others)
    range_of_training = Usual.stored(stored.usual)
    found = reaching(glow, tried_on(stored, data, glow, dataset, value_range), found, scale, range_of_training)
    if StoredModel.open(model).digest != before:
        raise InputError(f"{model} was trained further in the meantime: give the same command again.")
    _added(found, stored, directory).save(stored)
    print_rows(dict(zip(found.names, map(described, found.about), strict=True)))
    say_too_far(found, was_given=scale is not None)
    example = f"glowflow edit {quoted(model)} IMAGE {shlex.quote(f'--by.{found.names[0]}=1')}{plugins.said()}"
    say(f"{counted(len(found.names), 'direction')} in {directory}. Next: {example}")


def _added(found: "Directions", stored: "StoredModel", directory: Path) -> "Directions":
    """The directions that a model has, if they can be used, and those that were found."""
    from glowflow.latents import Directions

    try:
        known = Directions.load(stored)
    except InputError:
        say(f"The directions that were in {directory} are for other weights, or damaged: they are replaced.")
        known = None
    return known.joined(found) if known else found
