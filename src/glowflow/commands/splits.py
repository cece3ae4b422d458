"""The images that a command scores: splits of data, or all images of data that the model wasn't trained on."""

from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.commands.inputs import data_of, dataset_for, run_of
from glowflow.errors import InputError
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glowflow.data import Dataset, Range, Split
    from glowflow.model import Glow
    from glowflow.stored import StoredModel


def parts_of(
    stored: "StoredModel", data: str | None, glow: "Glow", names: "Sequence[Split]", value_range: "Range | None"
) -> "list[Dataset]":
    """Splits of the data that the user named, or of the model's own; without those that have no images.

    An image gets the same noise wherever it stands, so that its scores are the same.

    All images of new data are one data set if all splits are asked for. Data is new if it comes without splits and the
    model wasn't trained on it.

    Raises:
        InputError: If none has images.
    """
    from glowflow.data import SPLITS
    from glowflow.data.whole import whole

    several = len(names) > 1
    parts = [dataset_for(stored, data, glow, name, value_range, may_be_empty=several) for name in names]
    if not any(map(len, parts)):
        raise InputError(f"{parts[0].name} has no images.")
    parts = [part.with_noise_by_content() for part in parts if len(part)]
    is_whole = len(names) == len(SPLITS) and _is_new(stored, data, parts[0].digest)
    return [whole(parts)] if is_whole else parts


def unseen_of(
    stored: "StoredModel", data: str | None, glow: "Glow", own: "Split", value_range: "Range | None"
) -> "Dataset":
    """The images that the model wasn't trained on: all of new data, and the split `own` of other data; see `parts_of`.

    Raises:
        InputError: If there are none, or the data may hold some of the training's images.
    """
    from glowflow.data import SPLITS

    if data is not None:
        refuse_overlap(stored, data)
    parts = parts_of(stored, data, glow, SPLITS, value_range)
    chosen = [part for part in parts if part.split in {"all", own}]
    (part,) = chosen or parts_of(stored, data, glow, (own,), value_range)  # which says what is lacking
    return part


def refuse_overlap(stored: "StoredModel", data: str) -> None:
    """Raise an InputError if this data is a folder inside of the training's, or around it; see `overlap`."""
    if trained := overlap(stored, data):
        raise InputError(
            f"{data} may hold images of {trained}, which {stored.name} was trained on: give images that it hasn't seen."
        )


def overlap(stored: "StoredModel", data: str) -> str | None:
    """The training's folder if this data is a folder inside of it, or around it; None if they are apart, or the same.

    A folder inside of it that holds another split than the training's is apart.
    """
    from glowflow.data import absolute
    from glowflow.data.joined import names_in
    from glowflow.data.own_splits import has_own_splits
    from glowflow.data.splits import split_named

    known = data_of(stored)
    for mine in names_in(absolute(data)):
        for its in names_in(known) if known else ():
            inner, outer = Path(mine), Path(its)
            if inner == outer or not (inner.is_relative_to(outer) or outer.is_relative_to(inner)):
                continue
            first = inner.relative_to(outer).parts[0] if inner.is_relative_to(outer) else ""
            if not has_own_splits(its) or split_named(first) in {None, "train"}:
                return its
    return None


def is_trained_on(stored: "StoredModel", data: str | None, digest: str) -> bool:
    """True if the model's training had this data or a part of it, or images with this digest."""
    from glowflow.data import absolute
    from glowflow.data.joined import names_in

    known = data_of(stored)
    if data is None or (known and not set(names_in(absolute(data))).isdisjoint(names_in(known))):
        return True
    return digest in _trained_digests(stored)


def _is_new(stored: "StoredModel", data: str | None, digest: str) -> bool:
    """True for data without splits that the model wasn't trained on. A line says if the model can't tell."""
    from glowflow.data.own_splits import has_own_splits

    if data is None or has_own_splits(data) or is_trained_on(stored, data, digest):
        return False
    if data_of(stored) is None and not _trained_digests(stored):
        say(f"{stored.name} doesn't record its training images, so all images of {data} count as unseen.")
    return True


def _trained_digests(stored: "StoredModel") -> set[str]:
    """The digests of the images that the model was trained on, as far as they are recorded."""
    from glowflow.training.same_images import recorded

    places = filter(None, (stored.directory, stored.home, run_of(stored)))
    return set(map(recorded, places)) - {""}
