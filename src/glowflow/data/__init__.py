"""Images to train on: built-in data sets, folders, arrays; all of them memory-mapped uint8."""

from glowflow.config import Shape
from glowflow.data.cache import cache_directory
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.image_file import read_image
from glowflow.data.registry import BUILT_IN, BuiltIn, load, prepare

__all__ = [
    "BUILT_IN",
    "SPLITS",
    "BuiltIn",
    "Dataset",
    "Shape",
    "Split",
    "cache_directory",
    "load",
    "prepare",
    "read_image",
]
