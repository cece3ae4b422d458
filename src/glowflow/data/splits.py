"""The choice of held-out images, by a digest of each name, so that adding images doesn't move others."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import SPLITS, Split
from glowflow.errors import InputError
from glowflow.progress import say

HELD_OUT = 0.1
"""About the share of training images that each held-out split gets."""

NAMES: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Common names of the splits, in lower case. "eval" isn't one: some use it for validation, others for test."""

Rows = NDArray[np.int64]


def split_named(name: str) -> Split | None:
    """The split with this name, in capitals or not; None if there is none.

    >>> split_named("Valid"), split_named("cats")
    ('validation', None)
    """
    return NAMES.get(name.lower())


def splits_among(names: Iterable[str], where: str) -> dict[Split, str]:
    """The name of each split, among the names of parts; InputError if two names mean the same split.

    A line names the parts that aren't splits and are left out.
    """
    found: dict[Split, str] = {}
    for name in names:
        split = split_named(name)
        if split is None:
            say(f"Left out of {where}: {name}, which is neither train nor validation nor test.")
        elif split in found:
            raise InputError(f"{where} has {found[split]} and {name}, which both mean {split}: rename one of them.")
        else:
            found[split] = name
    return found


def complete(given: Mapping[Split, Rows], keys: Sequence[str], where: str) -> dict[Split, Rows]:
    """The rows of all splits. A split that isn't given gets a tenth of the training rows.

    `given` has the rows of the splits that the user made, or only "train". `keys` has a unique name for each row. If
    there are too few training rows to share, the other splits are empty, and the images can still be scored. Without
    training rows, an InputError names `where`.
    """
    train = given.get("train", np.empty(0, np.int64))
    missing = [split for split in SPLITS if split not in given and split != "train"]
    if not len(train):
        raise InputError(f"{where} has no usable training images.")
    if len(train) <= len(missing):
        return {split: given.get(split, np.empty(0, np.int64)) for split in SPLITS}
    held = hold_out([keys[row] for row in train], missing)
    return {split: train[held[split]] if split in held else given[split] for split in SPLITS}


def hold_out(keys: Iterable[str], held_out: Sequence[Split], most: int | None = None) -> dict[Split, Rows]:
    """The rows of each split in `held_out`, and the remaining rows for training, all ascending and none empty.

    Args:
        keys: a name for each row. There must be more rows than splits to hold out.
        held_out: the splits that are taken from the rows.
        most: about the largest number of rows that a split gets.
    """
    places = np.fromiter(map(_place, keys), np.float64)
    share = HELD_OUT if most is None else min(HELD_OUT, most / len(places))
    order = np.argsort(places, kind="stable")
    cuts: list[int] = []
    for number in range(len(held_out)):
        cut = int(np.searchsorted(places[order], 1 - share * (len(held_out) - number)))
        # Even of few images, at least one lies before this cut, and one for each split behind it.
        cuts.append(min(max(cut, number + 1, *(c + 1 for c in cuts)), len(places) - len(held_out) + number))
    parts = np.split(order, cuts)
    return {split: np.sort(rows) for split, rows in zip(("train", *held_out), parts, strict=True)}


def _place(key: str) -> float:
    """A number in [0, 1), which is evenly distributed over keys."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogateescape"), digest_size=6).digest(), "big") / 2**48
