"""The groups of images that `glowflow score --groups` compares with usual ones."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow.commands.inputs import check_parent
from glowflow.errors import InputError, counted
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy import int64
    from numpy.typing import NDArray

    from glowflow.commands.scorer import Columns
    from glowflow.data import Dataset
    from glowflow.scoring.reference import Reference

Groups = int | Literal["folder"]


def check_groups(groups: Groups | None, out: Path) -> None:
    """Refuse groups without images, and a file that can't be written."""
    if isinstance(groups, int) and groups < 1:
        raise InputError(f"--groups is {groups}; it takes folder, or a number of images of at least 1.")
    if groups is not None:
        check_parent(_path(out))


def write_groups(
    out: Path, groups: Groups, scored: "Sequence[tuple[Dataset, Columns]]", reference: "Reference"
) -> None:
    """Write the scores of groups of images into a CSV file beside that of the images."""
    from glowflow.durable import replacing
    from glowflow.scoring.groups import group_scores

    rows: list[dict[str, object]] = []
    for dataset, found in scored:
        members = dict(_members(dataset, groups))
        for name, row in zip(members, group_scores(members.values(), found, reference), strict=True):
            rows.append({"group": name, "split": dataset.split, **row})
    with replacing(_path(out)) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["group"])
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in row.items()} for row in rows)
    say(f"{counted(len(rows), 'group')} scored in {_path(out)}.")


def _members(dataset: "Dataset", groups: Groups) -> "Iterator[tuple[str, NDArray[int64]]]":
    """The name of each group, and the rows of its images."""
    import numpy as np

    if groups == "folder":
        folders = np.array([str(Path(dataset.describe(row)).parent) for row in range(len(dataset))])
        for name in dict.fromkeys(folders.tolist()):
            yield name, np.flatnonzero(folders == name)
        return
    for start in range(0, len(dataset), groups):
        rows = np.arange(start, min(start + groups, len(dataset)))
        yield f"{dataset.describe(start)} to {dataset.describe(int(rows[-1]))}", rows


def _path(out: Path) -> Path:
    return out.with_name(f"{out.stem}-groups{out.suffix}")


def _written(value: object) -> object:
    return f"{value:.5f}" if isinstance(value, float) else value
