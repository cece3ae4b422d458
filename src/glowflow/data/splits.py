"""Which images are held out: by a digest of each one's name, so that adding images moves no other."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import SPLITS, Split
from glowflow.errors import InputError
from glowflow.progress import say

HELD_OUT = 0.1
"""The share of the training images that each held-out split gets, about."""

NAMES: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What people call the splits, in lower case. Some mean validation by "eval" and others test: it's neither."""

Rows = NDArray[np.int64]


def split_named(name: str) -> Split | None:
    """The split that people mean by a name, in capitals or not; None if it's no split's.

    >>> split_named("Valid"), split_named("cats")
    ('validation', None)
    """
    return NAMES.get(name.lower())


def splits_among(names: Iterable[str], where: str) -> dict[Split, str]:
    """The name of each split among those of a data set's parts; InputError if two parts mean the same split.

    A line says which parts are no split, and left out.
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
    """The rows of every split: those given, and for a split that isn't given a tenth of the training rows.

    `given` has the rows of the splits that the user laid out, "train" alone where there is no such layout. `keys` has a
    name for each row, unlike any other. Too few training rows to take any from stay training rows: the other splits
    are empty then, and the images can be scored. No training rows are an InputError about `where`.
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
    """The rows, ascending, that remain for training and those of each split in `held_out`; none is empty.

    Args:
        keys: one name for each row, more of them than there are splits to hold out.
        held_out: the splits to be taken from the rows.
        most: about how many rows a split gets at most.
    """
    places = np.fromiter(map(_place, keys), np.float64)
    share = HELD_OUT if most is None else min(HELD_OUT, most / len(places))
    order = np.argsort(places, kind="stable")
    cuts: list[int] = []
    for number in range(len(held_out)):
        cut = int(np.searchsorted(places[order], 1 - share * (len(held_out) - number)))
        # Few images: at least one before this cut, and one for each split behind it.
        cuts.append(min(max(cut, number + 1, *(c + 1 for c in cuts)), len(places) - len(held_out) + number))
    parts = np.split(order, cuts)
    return {split: np.sort(rows) for split, rows in zip(("train", *held_out), parts, strict=True)}


def _place(key: str) -> float:
    """A number in [0, 1), evenly spread over keys."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogateescape"), digest_size=6).digest(), "big") / 2**48
