"""The splits of its data that a command takes: one that was held out from the training, or all images."""

from dataclasses import replace
from typing import TYPE_CHECKING

from glowflow.commands.inputs import data_of, dataset_for
from glowflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glowflow.data import Dataset, Range, Split
    from glowflow.model import Glow
    from glowflow.stored import StoredModel


def unseen_parts_of(
    stored: "StoredModel", data: str | None, glow: "Glow", own: "Split", value_range: "Range | None"
) -> "list[Dataset]":
    """The images that the model wasn't trained on; see `parts_of`.

    These are the split `own` of data that comes with splits or that the model was trained on, and all of other data.
    """
    from glowflow.data import SPLITS
    from glowflow.data.own_splits import has_own_splits

    if data is None or has_own_splits(data):
        return parts_of(stored, data, glow, (own,), value_range)
    parts = parts_of(stored, data, glow, SPLITS, value_range)
    if not _is_trained_on(stored, data, parts[0].digest):
        return parts
    return parts_of(stored, data, glow, (own,), value_range)


def parts_of(
    stored: "StoredModel", data: str | None, glow: "Glow", names: "Sequence[Split]", value_range: "Range | None"
) -> "list[Dataset]":
    """Splits of the data that the user named, or of the model's own; without those that have no images.

    Raises:
        InputError: If none has images.
    """
    alone = len(names) == 1
    parts = [dataset_for(stored, data, glow, name, value_range, may_be_empty=not alone) for name in names]
    if not any(map(len, parts)):
        raise InputError(f"{parts[0].name} has no images.")
    return [part for part in parts if len(part)]


def chosen_from(parts: "Sequence[Dataset]", num: int) -> "Dataset":
    """At most `num` images of some parts as one data set, chosen at random, with their labels alone."""
    import numpy as np

    total = sum(map(len, parts))
    kept = [part.thinned(-(-num * len(part) // total)) for part in parts] if total > num else parts
    labels = [part.labels for part in kept if part.labels is not None]
    whole = replace(
        kept[0],
        split=kept[0].split if len(kept) == 1 else "all",
        images=np.concatenate([part.images for part in kept]),
        labels=np.concatenate(labels) if labels else None,
        attributes=None,
        groups=None,
        sources=None,
    )
    return whole if len(whole) <= num else whole.thinned(num)


def _is_trained_on(stored: "StoredModel", data: str, digest: str) -> bool:
    """True if the model's training had this data or a part of it, or images with this digest."""
    from glowflow.data import absolute
    from glowflow.data.joined import names_in
    from glowflow.training.same_images import recorded

    known = data_of(stored)
    if known is None:
        return False
    same_place = not set(names_in(absolute(data))).isdisjoint(names_in(known))
    return same_place or digest in {recorded(place) for place in (stored.home, stored.directory)} - {""}
