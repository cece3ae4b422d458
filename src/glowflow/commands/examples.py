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


def check_examples(num: int) -> None:
    """Refuse a number of images that is out of range."""
    check_whole("--examples", num, 0, MOST)


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
