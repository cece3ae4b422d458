"""The commands that change images through their latents."""

import os
import shlex
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow.commands.drawing import check_enlarge, check_size, draw, draw_or_animate, names_of
from glowflow.commands.inputs import (
    SplitName,
    check_num,
    check_picture,
    check_seed,
    dataset_for,
    decoded,
    encoded,
    image_files,
    names_in,
    needed_label,
    opened,
    print_rows,
)
from glowflow.errors import InputError, counted, listed
from glowflow.paths import expanded, quoted
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from glowflow.data import Range
    from glowflow.model import Glow
    from glowflow.stored import StoredModel

COLUMNS, FRAMES = 9, 48
"""Points of a path where the user gives no number: in a picture, and in an animation."""


def interpolate(
    model: str,
    first: Path,
    last: Path,
    out: Path = Path("interpolation.png"),
    num: int | None = None,
    path: Literal["linear", "spherical"] = "linear",
    enlarge: int | None = None,
    label: str | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Turn one image into another through the latents between theirs.

    Example: glowflow interpolate faces a.png b.png --out between.webp

    Args:
        model: A run's directory, a directory made by save_pretrained, the name of a model that comes with glowflow, or
            a name on the hub.
        first: An image file; it's cropped and resized to the model's size.
        last: Another.
        out: A picture (.png), or an animation (.webp, .gif; .mp4 with the extra `video`).
        num: Images on the way, both ends counted; 9 in a picture and 48 in an animation by default.
        path: "linear", a straight line, or "spherical", which keeps latents as far out as random ones.
        enlarge: How many times as large images are drawn, a whole number; by default as suits a screen. 1 draws them
            pixel for pixel, and without captions.
        label: The images' class, by name or number, for a class-conditional model.
        value_range: LOW,HIGH: the values of image files of more than 8 bits that become black and white; by default
            those of the model's training, or else usual ones that hold all values.
        device: cpu, cuda or mps; the best one present by default.
    """
    from glowflow.latents import interpolate as between
    from glowflow.pictures import is_animation
    from glowflow.stored import StoredModel

    num = (FRAMES if is_animation(out) else COLUMNS) if num is None else num
    check_num(num, 2, "a path's ends")
    check_enlarge(enlarge)
    check_picture(out, may_move=True)
    stored = StoredModel.open(model)
    check_size(out, num, num, stored.config.image_shape, enlarge)
    read = _Read.of(stored, [first, last], label, value_range, device)
    z = between(read.z[0], read.z[1], num, path)
    begin, end = names_of([first, last])
    draw_or_animate(out, read.decode([z], num), num, enlarge, [(begin,), *[()] * (num - 2), (end,)])
    say(f"{num} images from {first} to {last} in {out}.")


def vary(
    model: str,
    images: list[Path],
    out: Path = Path("variations.png"),
    keep: int | None = None,
    num: int = 8,
    temperature: float = 0.7,
    enlarge: int | None = None,
    label: str | None = None,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Draw variations of images that share their coarsest levels: each row starts with an image.

    Example: glowflow vary faces a.png --keep 2

    Args:
        model: A run's directory, a directory made by save_pretrained, the name of a model that comes with glowflow, or
            a name on the hub.
        images: Image files; they are cropped and resized to the model's size.
        out: The picture (.png, or whatever Pillow writes).
        keep: How many of the coarsest levels are kept; by default a row for each number, from all but one to none.
        num: Variations in each row.
        temperature: Standard deviation of the latents that are drawn.
        enlarge: How many times as large images are drawn, a whole number; by default as suits a screen. 1 draws them
            pixel for pixel, and without captions.
        label: The images' class, by name or number, for a class-conditional model.
        seed: For the same picture again.
        value_range: LOW,HIGH: the values of image files of more than 8 bits that become black and white; by default
            those of the model's training, or else usual ones that hold all values.
        device: cpu, cuda or mps; the best one present by default.
    """
    import torch

    from glowflow.latents import redraw
    from glowflow.stored import StoredModel

    check_num(num, 1, "a single variation")
    if not 0 <= temperature < inf:
        raise InputError(f"--temperature is {temperature:g}; it takes a number of at least 0.")
    check_seed(seed)
    check_enlarge(enlarge)
    check_picture(out)
    stored = StoredModel.open(model)
    levels = stored.config.num_levels
    if keep is not None and not 0 <= keep <= levels:
        raise InputError(f"--keep is {keep}; this model has {levels} levels, of which 0 to {levels} can be kept.")
    kept = [keep] if keep is not None else range(levels - 1, -1, -1)
    check_size(out, len(images) * len(kept) * (1 + num), 1 + num, stored.config.image_shape, enlarge)
    read = _Read.of(stored, images, label, value_range, device)

    def row(z: "Tensor", count: int) -> "Tensor":
        """The image, then variations of it, whatever the other rows are."""
        generator = torch.Generator().manual_seed(seed)
        return torch.cat([z[None], redraw(read.glow, z.expand(num, -1), count, temperature, generator)])

    rows = (row(z, count) for z in read.z for count in kept)
    names = [(name,) if len(images) > 1 else () for name in names_of(images)]
    shares = [f"{counted(count, 'coarsest level') if count else 'no level'} kept" for count in kept]
    beside = [(*name, share) for name in names for share in shares]
    above = [("image",), ("variations",), *[()] * (num - 1)]
    draw(out, read.decode(rows, len(beside) * len(above)), len(above), enlarge, above, beside)
    of = f"{'each of ' if len(images) > 1 else ''}{counted(len(images), 'image')}"
    say(f"{counted(num, 'variation')} of {of} in {out}, with {', '.join(map(str, kept))} levels kept.")


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

    Examples are images with and without an attribute: a data set's attributes, or the sub-folders of a folder, each of
    which gives a direction towards its images from all others. How far a strength of 1 goes is tried on validation
    images, as far as they stay like those that the model knows. The directions are written into MODEL's directory,
    beside those that it has; one of the same name is replaced.

    Args:
        model: A run's directory, or a directory made by save_pretrained.
        data: A data set's name (or hf:NAME), a folder, or an .npz file; by default what the run was trained on.
        names: Only these attributes, separated by commas: Smiling,Beard; or given several times. A name with commas in
            it is written as it is.
        method: "means", the difference of the mean latents with and without it, as in the original's demonstration; or
            "logistic", the normal of a logistic regression's boundary, which keeps apart what often comes together.
        orthogonal_to: Attributes, given as names are, that are not to change along the way; each direction loses what
            it shares with theirs.
        scale: How far a strength of 1 goes, as a multiple of the direction that was found. By default it's the largest
            up to 4 with which 9 in 10 edited validation images stay like those that the model knows, and none falls
            apart.
        split: The part of the data that has the examples.
        num_images: At most so many of them, chosen at random.
        value_range: LOW,HIGH: the values of image files of more than 8 bits that become black and white; by default
            those of the model's training, or else usual ones that hold all values.
        device: cpu, cuda or mps; the best one present by default.
    """
    from glowflow.commands.reach import described, say_too_far, tried_on
    from glowflow.latents import Directions, Usual, fit, reaching
    from glowflow.latents.fitting import truths
    from glowflow.stored import StoredModel

    if num_images is not None and num_images < 1:
        raise InputError(f"--num_images is {num_images}; it takes a number of at least 1.")
    if scale is not None and not 0 < scale < inf:
        raise InputError(f"--scale is {scale:g}; it takes a number above 0, such as 2.")
    stored = StoredModel.open(model)
    directory, before = _own_directory(stored), stored.digest
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
        raise InputError(f"{model} has been trained on meanwhile: give the same command again.")
    try:
        known = Directions.load(stored)
    except InputError:
        say(f"The directions that were in {directory} are for other weights, or damaged: they are replaced.")
        known = None
    (known.joined(found) if known else found).save(stored)
    print_rows(dict(zip(found.names, map(described, found.about), strict=True)))
    say_too_far(found, was_given=scale is not None)
    example = f"glowflow edit {quoted(model)} IMAGE {shlex.quote(f'--by.{found.names[0]}=1')}"
    say(f"{counted(len(found.names), 'direction')} in {directory}. Next: {example}")


def edit(
    model: str,
    images: list[Path],
    by: list[str] | None = None,
    out: Path = Path("edited.png"),
    num: int | None = None,
    enlarge: int | None = None,
    label: str | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Change attributes of images: each row leads from an image to the edited one.

    Example: glowflow edit faces a.png --by.Smiling 1 --by.Eyeglasses -0.5 --out edited.png

    Args:
        model: A run's directory, a directory made by save_pretrained, the name of a model that comes with glowflow, or
            a name on the hub.
        images: Image files; they are cropped and resized to the model's size.
        by: How much of each attribute, -1 to 1: --by.Smiling 0.8 --by.Beard -1
        out: A picture (.png), or an animation (.webp, .gif; .mp4 with the extra `video`).
        num: Images in each row, both ends counted; 2 in a picture and 48 in an animation by default.
        enlarge: How many times as large images are drawn, a whole number; by default as suits a screen. 1 draws them
            pixel for pixel, and without captions.
        label: The images' class, by name or number, for a class-conditional model.
        value_range: LOW,HIGH: the values of image files of more than 8 bits that become black and white; by default
            those of the model's training, or else usual ones that hold all values.
        device: cpu, cuda or mps; the best one present by default.
    """
    import torch

    from glowflow.commands.reach import say_unusual
    from glowflow.latents import directions_of
    from glowflow.pictures import is_animation
    from glowflow.stored import StoredModel

    num = (FRAMES if is_animation(out) else 2) if num is None else num
    check_num(num, 2, "the image as it was and the edited one")
    stored = StoredModel.open(model)
    directions = directions_of(stored)
    if not by:
        raise InputError(f"Say what to change: --by.NAME STRENGTH, of {listed(directions.names, 40)}.")
    strengths = dict(_strength(said) for said in by)
    for name in strengths:
        directions.index(name)
    check_enlarge(enlarge)
    check_picture(out, may_move=True)
    check_size(out, len(images) * num, num, stored.config.image_shape, enlarge)
    read = _Read.of(stored, images, label, value_range, device)
    shares = [index / (num - 1) for index in range(num)]
    rows = (
        torch.cat([directions.edit(z[None], {name: share * strengths[name] for name in strengths}) for share in shares])
        for z in read.z
    )
    above = [tuple(f"{name} {round(share * strengths[name], 2):g}" for name in strengths) for share in shares[1:]]
    beside = [(name,) for name in names_of(images)]
    pictures = read.decode(rows, len(images) * num)
    draw_or_animate(out, pictures, num, enlarge, [("image",), *above], beside)
    say(f"{counted(len(images), 'image')} edited in {out}.")
    edited = dict(zip(images, pictures.unflatten(0, (-1, num)), strict=True))
    say_unusual(stored, directions, read.glow, read.label, edited, by)


def _own_directory(stored: "StoredModel") -> Path:
    """Where a model's directions can be written: its directory, if it's the user's."""
    found = stored.home
    if found != Path(expanded(stored.name)):
        raise InputError(
            f"Directions are written beside a model, and {stored.name} is in {found.parent}, which isn't yours to "
            f"change: copy {found} into a folder of your own, and give that."
        )
    if not os.access(found, os.W_OK | os.X_OK):
        raise InputError(f"Directions can't be written into {found}: it takes the permission to write there.")
    return found


def _strength(said: str) -> tuple[str, float]:
    """An attribute's name and how much of it, of NAME=STRENGTH."""
    name, equals, text = said.rpartition("=")
    name, text = (name, text) if equals else (said, "without a number")
    try:
        strength = float(text)
    except ValueError:
        strength = nan
    if not -1 <= strength <= 1:
        raise InputError(f"--by.{name} is {text}; it takes a strength from -1 to 1.")
    return name, strength


@dataclass(frozen=True)
class _Read:
    """Image files as a model sees them: their flat latents (N, D), float64, and their class, if it knows classes."""

    glow: "Glow"
    z: "Tensor"
    label: int | None

    @classmethod
    def of(
        cls,
        stored: "StoredModel",
        images: list[Path],
        label: str | None,
        value_range: "Range | None",
        device: str | None,
    ) -> "_Read":
        _, glow = opened(stored, device)
        dataset = image_files(stored, glow, images, label, value_range)
        return cls(glow, encoded(glow, dataset), needed_label(glow, label))

    def decode(self, rows: "Iterable[Tensor]", total: int) -> "Tensor":
        """Images (N, C, H, W), uint8, of rows of latents (K, D), N in all."""
        return decoded(self.glow, rows, total, self.label)
