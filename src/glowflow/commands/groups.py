"""The groups of images that `glowflow score --groups` compares with usual ones."""

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

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


def check_groups(groups: Groups | None, out: Path, draws: int) -> None:
    """Refuse groups without images, a file that can't be written, and several draws of noise."""
    if isinstance(groups, int) and groups < 1:
        raise InputError(f"--groups is {groups}; it takes folder, or a number of images of at least 1.")
    if groups is not None:
        check_parent(_path(out))
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
    out: Path, groups: Groups, scored: "Sequence[tuple[Dataset, Columns]]", reference: "Reference", *, divided: bool
) -> None:
    """Write the scores of groups of images into a CSV file beside that of the images.

    Args:
        out: The file of the images.
        groups: How to make groups.
        scored: Splits of the data, and the columns (N,) of their images.
        reference: What is usual.
        divided: True if the splits are the data's own. The images of other splits are put back in the order of their
            names first.
    """
    from glowflow.durable import replacing
    from glowflow.scoring.groups import group_scores

    rows: list[dict[str, object]] = []
    for series in map(_Series.of, scored) if divided else [_Series.joined(scored)]:
        members = dict(_members(series.names, groups))
        for name, row in zip(members, group_scores(members.values(), series.columns, reference), strict=True):
            rows.append({"group": name, "split": series.split, **row})
    with replacing(_path(out)) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["group"])
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in row.items()} for row in rows)
    say(f"{counted(len(rows), 'group')} scored in {_path(out)}.")


class _Series(NamedTuple):
    """Images in an order: their split, their names, and their columns (N,)."""

    split: str
    names: list[str]
    columns: "Columns"

    @classmethod
    def of(cls, scored: "tuple[Dataset, Columns]") -> "_Series":
        """The images of a split, in its order."""
        dataset, columns = scored
        return cls(dataset.split, [dataset.describe(row) for row in range(len(dataset))], columns)

    @classmethod
    def joined(cls, scored: "Sequence[tuple[Dataset, Columns]]") -> "_Series":
        """The images of all splits, in the order of their names."""
        import numpy as np

        each = list(map(cls.of, scored))
        names = [name for series in each for name in series.names]
        order = sorted(range(len(names)), key=lambda row: _natural(names[row]))
        columns = {name: np.concatenate([series.columns[name] for series in each])[order] for name in each[0].columns}
        split = each[0].split if len(each) == 1 else "all"
        return cls(split, [names[row] for row in order], columns)


def _natural(name: str) -> list[str | int]:
    """A key that sorts 9.png before 10.png."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


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


def _path(out: Path) -> Path:
    return out.with_name(f"{out.stem}-groups{out.suffix}")


def _written(value: object) -> object:
    return f"{value:.5f}" if isinstance(value, float) else value
