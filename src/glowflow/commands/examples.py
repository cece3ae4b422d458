"""The images of a model's own data that the page offers to begin with."""

from typing import TYPE_CHECKING

from glowflow.checks import check_whole
from glowflow.commands.inputs import data_of
from glowflow.errors import InputError
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.data import Dataset
    from glowflow.model import Glow
    from glowflow.stored import StoredModel

MOST = 100
USUAL = 24
"""How many images the page offers if the user doesn't say."""


def check_examples(num: int) -> None:
    """Refuse a number of images that is out of range."""
    check_whole("--examples", num, 0, MOST)


def number_of_examples(given: int | None, stored: "StoredModel", *, is_private: bool) -> int:
    """How many examples the page offers. Others see the images of a user's own data only if the user says so."""
    from glowflow.data import BUILT_IN

    if given is None and stored.is_yours and not is_private and data_of(stored) not in {None, *BUILT_IN}:
        say(f"The page offers no test images, because others could see them. --examples {USUAL} offers some.")
        return 0
    return USUAL if given is None else given


def examples_of(stored: "StoredModel", glow: "Glow", num: int) -> "Dataset | None":
    """At most `num` test images of the data that a run trained a model on, evenly spaced; None if they aren't here."""
    from glowflow.data import at_hand, is_there

    data = data_of(stored)
    if not num or data is None or not is_there(data):
        return None
    try:
        found = at_hand(data, glow.config.image_shape, "test", num, stored.value_ranges)
        return found.with_classes(glow.class_names) if found is not None and len(found) else None
    except InputError as error:
        say(f"The page has no images of {data} to begin with. {error}")
        return None
