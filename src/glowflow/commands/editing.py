"""The commands that change images through their latents."""

from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow.commands.drawing import check_enlarge, check_size, draw, draw_or_animate, names_of
from glowflow.commands.inputs import (
    check_num,
    check_picture,
    check_seed,
    decoded,
    encoded,
    image_files,
    listed_temperatures,
    needed_label,
    opened,
)
from glowflow.errors import InputError, counted, listed
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from glowflow.data import Range
    from glowflow.model import Glow
    from glowflow.stored import StoredModel

COLUMNS, FRAMES = 9, 48
"""The default number of points on a path: in a picture, and in an animation."""


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
    """Turn one image into another along a path between their latents.

    Example: glowflow interpolate faces a.png b.png --out between.webp

    Args:
        first: An image file; it's cropped and resized to the model's size.
        last: Another image file.
        out: A picture (.png), or an animation (.webp, .gif; .mp4 with the extra `video`).
        num: The number of images, including both ends; by default 9 in a picture and 48 in an animation.
        path: "linear" is a straight line; "spherical" keeps latents as far from 0 as random ones are.
    """
    from glowflow.latents import interpolate as between
    from glowflow.pictures import is_animation
    from glowflow.stored import StoredModel

    num = (FRAMES if is_animation(out) else COLUMNS) if num is None else num
    check_num(num, 2, "its two ends")
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
    """Draw variations that keep the coarsest levels of images. Each row starts with an image.

    Example: glowflow vary faces a.png --keep 2

    Args:
        out: The picture: .png, or another kind that Pillow writes.
        keep: The number of coarsest levels to keep. By default each number from all but one to none has a row.
        num: The number of variations in each row.
        temperature: The standard deviation of the latents that are drawn.
    """
    import torch

    from glowflow.latents import redraw
    from glowflow.stored import StoredModel

    check_num(num, 1, "a single variation")
    listed_temperatures(temperature)
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
        """The image and its variations, which don't depend on the other rows."""
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
        by: The strength of each attribute, from -1 to 1: --by.Smiling 0.8 --by.Beard -1
        out: A picture (.png), or an animation (.webp, .gif; .mp4 with the extra `video`).
        num: The number of images in a row, including both ends; by default 2 in a picture and 48 in an animation.
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
        raise InputError(f"Give what to change by --by.NAME STRENGTH; NAME is one of {listed(directions.names, 40)}.")
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


def _strength(said: str) -> tuple[str, float]:
    """Read an attribute's name and its strength from NAME=STRENGTH."""
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
        """Decode rows of latents (K, D) to images (N, C, H, W), uint8."""
        return decoded(self.glow, rows, total, self.label)
