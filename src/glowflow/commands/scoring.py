"""The commands that tell which images are unusual for a model."""

import csv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow.commands.groups import check_groups, write_groups
from glowflow.commands.inputs import (
    SplitName,
    check_draws,
    check_parent,
    dataset_for,
    opened,
    own_directory,
    print_rows,
)
from glowflow.commands.maps import check_maps, draw_maps
from glowflow.commands.scorer import Scorer
from glowflow.commands.sheet import check_sheet, draw_sheet
from glowflow.errors import InputError, counted
from glowflow.paths import quoted
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glowflow.commands.scorer import Columns
    from glowflow.data import Dataset
    from glowflow.evaluate import Floats


def score(
    model: str,
    data: str | None = None,
    out: Path = Path("scores.csv"),
    split: Literal[SplitName, "all"] = "all",
    background: str | None = None,
    draws: int = 1,
    seed: int = 0,
    groups: int | Literal["folder"] | None = None,
    sheet: Path | None = None,
    maps: Path | None = None,
    maps_num: int = 100,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Write how unusual each image is to a CSV file.

    Example: glowflow score runs/mine --data my_photos --out scores.csv

    Sort the file by its column `unusual`. The column `p_value` is the share of usual images that are at least as
    unusual. Both need the reference that a training stores with its model, or that `glowflow calibrate` makes.

    Args:
        out: The CSV file. It has a line for each image, and the documentation explains its columns.
        background: A model of other, more general images. The column `background_corrected` has the bits/dim by MODEL
            minus those by this one.
        groups: Also write how unusual groups of images are together: those of each "folder", or so many that follow
            one another. The file has the name of OUT, with -groups before its ending.
        sheet: Also draw the most unusual images and the least unusual ones into this picture.
        maps: Also draw the most unusual images into this new folder: how many bits each pixel takes, and how far this
            is above the bits that validation images of the model's own data take there.
        maps_num: The number of images to draw.
    """
    from glowflow.data import SPLITS
    from glowflow.processes import joined
    from glowflow.reports import as_of, distribution, keep

    check_draws(draws, seed)
    check_maps(maps, maps_num)
    check_sheet(sheet)
    check_groups(groups, out)
    check_parent(out)
    scorer = Scorer.opened(model, background, device)
    if groups is not None and scorer.reference is None:
        raise InputError(f"--groups compares with usual images: give glowflow calibrate {quoted(model)} first.")
    names = SPLITS if split == "all" else (split,)
    scored: list[tuple[Dataset, Columns]] = []
    with joined(str(scorer.glow.device)) as processes:
        for name in names:
            may_be_empty = split == "all"
            dataset = dataset_for(scorer.stored, data, scorer.glow, name, value_range, may_be_empty=may_be_empty)
            if len(dataset):
                scored.append((dataset, scorer.columns(dataset, draws, seed, processes)))
    if not processes.is_first:
        return
    _write(out, scored)
    say(f"{counted(sum(len(dataset) for dataset, _ in scored), 'image')} scored in {out}.")
    if groups is not None and scorer.reference is not None:
        write_groups(out, groups, scored, scorer.reference)
    main = scorer.main_score
    ranked = [(dataset, found[main]) for dataset, found in scored]
    if sheet is not None:
        draw_sheet(sheet, main, ranked)
    if maps is not None:
        draw_maps(maps, maps_num, scorer.stored, scorer.glow, main, ranked, seed)
    described = partial(distribution, by=main, when=as_of(scorer.stored))
    keep(scorer.stored, [described(dataset, found["bits_per_dim"], found[main]) for dataset, found in scored])


def _write(out: Path, scored: "Sequence[tuple[Dataset, Columns]]") -> None:
    from glowflow.durable import replacing

    names = list(scored[0][1]) if scored else []
    with replacing(out) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "split", "label", *names))
        for dataset, found in scored:
            writer.writerows(_rows(dataset, [found[name] for name in names]))


def _rows(dataset: "Dataset", values: "Sequence[Floats]") -> "Iterator[tuple[str, ...]]":
    """A row for each image."""
    labels = [""] * len(dataset) if dataset.labels is None else [dataset.class_names[i] for i in dataset.labels]
    for index, (label, *numbers) in enumerate(zip(labels, *values, strict=True)):
        yield dataset.describe(index), dataset.split, label, *(f"{number:.5f}" for number in numbers)


def calibrate(
    model: str,
    data: str | None = None,
    split: SplitName = "validation",
    num_images: int = 5000,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Store what is usual for a model with it: the reference that `score` and `compare` need.

    Example: glowflow calibrate runs/mine --data my_photos

    A training does this by itself, on its validation images. Do it again for a model from elsewhere, or if images of
    another source count as usual.

    Args:
        data: The usual images, such as a data set's name, a folder, or an .npz file; by default what the run was
            trained on.
        split: The part of the data to use. The model must not have been trained on it.
        num_images: The largest number of images to use, chosen at random. P-values are as sharp as there are images.
    """
    from glowflow.durable import is_sealed, seal
    from glowflow.scoring.codecs import installed
    from glowflow.scoring.reference import FEWEST, Reference
    from glowflow.scoring.statistics import statistics
    from glowflow.stored import StoredModel

    if num_images < FEWEST:
        raise InputError(f"--num-images is {num_images}; it takes a whole number of at least {FEWEST}.")
    directory = own_directory(StoredModel.open(model), "A reference")
    stored, glow = opened(model, device)
    dataset = dataset_for(stored, data, glow, split, value_range)
    dataset = dataset if len(dataset) <= num_images else dataset.thinned(num_images)
    codecs = installed()
    reference = Reference.of(statistics(glow, dataset, codecs, seed=seed), codecs, dataset.name)
    reference.save(directory, stored.digest)
    if is_sealed(directory):
        seal(directory)
    bits = reference.usual["bits_per_dim"]
    print_rows(
        {
            "usual images": f"{len(bits)} of {dataset.name}, {split} split",
            "bits/dim": f"{bits[len(bits) // 2]:.4f}, 98% of them from {bits[len(bits) // 100]:.4f} to "
            f"{bits[-1 - len(bits) // 100]:.4f}",
            "compressors": ", ".join(map(str, codecs)),
        }
    )
    say(f"The reference is in {directory}. Next: glowflow score {quoted(model)} --data IMAGES")
