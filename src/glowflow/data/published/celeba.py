"""CelebA (Liu et al. 2015): aligned and cropped faces, their 40 attributes, their division into three splits."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glowflow.data.dataset import SPLITS
from glowflow.data.published.picture_files import picture_files
from glowflow.data.published.reading import Reading, found, refused
from glowflow.errors import InputError

IMAGES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
MD5 = {ATTRIBUTES: "75e246fa4810816ffd6ee81facbd244c", PARTITION: "d32c9cbf5e040fd4025c592c306e6668"}

_NAMES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair "
    "Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male "
    "Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks "
    "Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace "
    "Wearing_Necktie Young"
)
ATTRIBUTE_NAMES = tuple(_NAMES.split())
"""The attributes in the order of the list, for files that have only values."""


def read(files: Path) -> Reading:
    """The data set in the folder `files`, or in its sub-folder celeba."""
    attribute_list = found(files, f"celeba/{ATTRIBUTES}", ATTRIBUTES)
    partition, images = (found(attribute_list.parent, name) for name in (PARTITION, IMAGES))
    names, attribute_names, attributes = _attributes(attribute_list)
    splits = _splits(partition, names)
    rows_of = {split: np.flatnonzero(splits == number) for number, split in enumerate(SPLITS)}
    parts = {
        split: picture_files(images, [names[row] for row in rows], attributes[rows])
        for split, rows in rows_of.items()
        if len(rows)
    }
    md5 = {path: MD5[path.name] for path in (attribute_list, partition)}
    return Reading(parts, [*md5, images], attribute_names=attribute_names, md5=md5, named=True)


def _attributes(path: Path) -> tuple[list[str], tuple[str, ...], NDArray[np.bool_]]:
    """The files' names, the attributes' names, and the values (N, A)."""
    attribute_names = tuple(" ".join(_lines(path)[1:2]).split())  # the line before has the number of images
    count = len(attribute_names)
    table = _table(path, 2, [-1, 1], count, f"{count} values, each 1 or -1")
    return table["name"].tolist(), attribute_names, table["values"] == 1


def _splits(path: Path, names: list[str]) -> NDArray[np.int8]:
    """The position in SPLITS of each file's split."""
    table = _table(path, 0, [0, 1, 2], 1, "a file's name and 0, 1 or 2")
    split_of = dict(zip(table["name"].tolist(), table["values"][:, 0].tolist(), strict=True))
    for name in names:
        if name not in split_of:
            raise InputError(f"{path} lacks {name}, which {ATTRIBUTES} has: get both again.")
    return np.array([split_of[name] for name in names], np.int8)


def _lines(path: Path) -> list[str]:
    with refused(path):
        return path.read_text(encoding="utf-8").splitlines()


def _table(path: Path, skip: int, allowed: list[int], count: int, wanted: str) -> NDArray[Any]:
    """The lines after the first `skip` as rows, each with a `name` and `values` (count,)."""
    kind = [("name", "U64"), ("values", np.int8, (count,))]
    with refused(path), suppress(ValueError):
        table = np.loadtxt(path, kind, comments=None, skiprows=skip, encoding="utf-8", ndmin=1)
        if np.isin(table["values"], allowed).all():
            return table
    row = re.compile(rf"\s*(\S+(\s+({'|'.join(map(str, allowed))})){{{count}}}\s*)?")
    number = next(number for number, line in enumerate(_lines(path)[skip:], skip + 1) if not row.fullmatch(line))
    raise InputError(f"{path}, line {number}, should have {wanted}.")
