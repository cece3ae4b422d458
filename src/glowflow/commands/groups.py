"""The groups of images that `glowflow score --groups` compares with usual ones."""

import csv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from glowflow.commands.inputs import check_parent
from glowflow.errors import InputError, counted
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy import int64
    from numpy.typing import NDArray

    from glowflow.commands.scorer import Columns
    from glowflow.data import Dataset
    from glowflow.scoring.reference import Reference

Groups = int | Literal["folder"]


def check_groups(groups: Groups | None, out: Path, draws: int) -> None:
    """Refuse groups without images, a file that can't be written, and several draws of noise."""
    if isinstance(groups, int) and groups < 1:
        raise InputError(f"--groups is {groups}; it takes folder, or a number of images of at least 1.")
    if groups is not None:
        check_parent(groups_file(out))
    if groups is not None and draws > 1:
        raise InputError(
            "--groups compares with usual images, whose bits/dim have one draw of noise: leave out --draws."
        )


def check_folders(groups: Groups | None, datasets: "Sequence[Dataset]") -> None:
    """Refuse to group images by folder if none is in one."""
    names = (dataset.describe(row) for dataset in datasets for row in range(len(dataset)))
    if groups == "folder" and all(Path(name).parent == Path() for name in names):
        raise InputError(
            f"--groups folder makes a group of each sub-folder; {datasets[0].name} has none, so give a number instead."
        )


def write_groups(
    out: Path, groups: Groups, scored: "Sequence[tuple[Dataset, Columns]]", reference: "Reference"
) -> None:
    """Write the scores of groups of images into a CSV file beside that of the images, the most unusual group first.

    Args:
        out: The file of the images.
        groups: How to make groups.
        scored: Data sets, and the columns (N,) of their images.
        reference: What is usual.
    """
    import numpy as np

    from glowflow.durable import replacing
    from glowflow.scoring.groups import group_scores

    rows: list[dict[str, Any]] = []
    for dataset, columns in scored:
        members = dict(_members([dataset.describe(row) for row in range(len(dataset))], groups))
        for name, row in zip(members, group_scores(members.values(), columns, reference), strict=True):
            rows.append({"group": name, "split": dataset.split, **row})
    rows.sort(key=partial(_usualness, middle=float(np.median(reference.usual["bits_per_dim"]))))
    path = groups_file(out)
    with replacing(path) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["group"])
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in row.items()} for row in rows)
    say(f"{counted(len(rows), 'group')} scored in {path}.")


def _usualness(row: "Mapping[str, Any]", middle: float) -> tuple[float, float]:
    """The order of groups, the most unusual one first. Groups beyond all usual ones have equal p-values."""
    if "unusual" in row:
        return row["p_value"], -row["unusual"]
    return row["p_typical"], -abs(row["bits_per_dim"] - middle)


def _members(names: list[str], groups: Groups) -> "Iterator[tuple[str, NDArray[int64]]]":
    """The name of each group, and the rows of its images."""
    import numpy as np

    if groups == "folder":
        folders = np.array([str(Path(name).parent) for name in names])
        for folder in dict.fromkeys(folders.tolist()):
            yield folder, np.flatnonzero(folders == folder)
        return
    for start in range(0, len(names), groups):
        rows = np.arange(start, min(start + groups, len(names)))
        yield f"{names[start]} to {names[int(rows[-1])]}", rows


def groups_file(out: Path) -> Path:
    """The file of the groups, beside that of the images."""
    return out.with_name(f"{out.stem}-groups{out.suffix}")


def _written(value: object) -> object:
    return f"{value:.5f}" if isinstance(value, float) else value
