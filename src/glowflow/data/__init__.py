"""Images to train on, memory-mapped and uint8: built-in and published data sets, and your own folders and files."""

from glowflow.data.cache import cache_directory
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.glimpse import Glimpse
from glowflow.data.image_file import read_image, read_images
from glowflow.data.published import PUBLISHED, Published
from glowflow.data.registry import (
    BUILT_IN,
    BuiltIn,
    absolute,
    at_hand,
    is_name,
    is_there,
    load,
    look_at,
    of_run,
    prepare,
)
from glowflow.data.value_range import Range, check_needed, described, for_all_kinds
from glowflow.shapes import Shape

__all__ = [
    "BUILT_IN",
    "PUBLISHED",
    "SPLITS",
    "BuiltIn",
    "Dataset",
    "Glimpse",
    "Published",
    "Range",
    "Shape",
    "Split",
    "absolute",
    "at_hand",
    "cache_directory",
    "check_needed",
    "described",
    "for_all_kinds",
    "is_name",
    "is_there",
    "load",
    "look_at",
    "of_run",
    "prepare",
    "read_image",
    "read_images",
]
