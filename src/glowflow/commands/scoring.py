"""The commands that tell which images are unusual for a model."""

import csv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glowflow.commands.groups import check_folders, check_groups, groups_file, write_groups
from glowflow.commands.inputs import (
    SplitName,
    check_different,
    check_draws,
    check_outside,
    check_parent,
    device_named,
    opened,
    own_directory,
    print_rows,
)
from glowflow.commands.maps import check_maps, draw_maps
from glowflow.commands.scorer import Scorer
from glowflow.commands.sheet import check_sheet, draw_sheet
from glowflow.commands.splits import is_trained_on, overlap, parts_of, refuse_overlap, unseen_of
from glowflow.errors import InputError, counted
from glowflow.paths import quoted
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glowflow.commands.scorer import Columns
    from glowflow.data import Dataset, Range
    from glowflow.model import Glow
    from glowflow.stored import StoredModel


def score(
    model: str,
    data: str | None = None,
    out: Path = Path("scores.csv"),
    split: Literal[SplitName, "all"] | None = None,
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
    """Write how unusual each image is to a CSV file, the most unusual image first.

    Example: glowflow score runs/mine --data my_photos --out scores.csv

    The column `p_value` is the share of usual images that are at least as unusual. It needs the reference that a
    training stores with its model, or that `glowflow calibrate` makes. P-values are valid for images that neither the
    training nor the reference has seen.

    Args:
        split: The part of the data to score. By default it's the test split of the data that the model was trained on,
            and all of any other data.
        out: The CSV file. It has a line for each image, and the documentation explains its columns.
        background: A model of other, more general images. The column `background_corrected` has the bits/dim by MODEL
            minus those by this one.
        draws: How many draws of the dequantisation noise the bits/dim are averaged over. Scores that compare with usual
            images use only the first draw.
        groups: Also score groups of images. `folder` makes a group of each folder, and a number N makes one of each N
            images in a row. The file has the name of OUT, with -groups before its ending.
        sheet: Also draw the most unusual images and the least unusual ones into this picture.
        maps: Also draw the most unusual images into this new folder: how many bits each pixel takes, and how many
            standard deviations this is above usual images.
        maps_num: The number of images to draw.
    """
    from glowflow.processes import joined
    from glowflow.reports import as_of, distribution, keep
    from glowflow.scoring.reference import how_to_make

    check_draws(draws, seed)
    check_maps(maps, maps_num)
    check_sheet(sheet)
    check_groups(groups, out, draws)
    check_parent(out)
    check_different({"--out": out, "--sheet": sheet, "the file of --groups": groups_file(out) if groups else None})
    check_outside(data, {"--sheet": sheet, "--maps": maps})
    with joined(device_named(device)) as processes:
        scorer = Scorer.opened(model, background, device)
        if groups is not None and scorer.reference is None:
            raise InputError(f"--groups compares with usual images. {how_to_make(scorer.stored, 'a reference')}")
        datasets = _to_score(scorer, data, split, value_range)
        check_folders(groups, datasets)
        scorer.say_if_seen(datasets)
        scored = [(dataset, scorer.columns(dataset, draws, seed, processes)) for dataset in datasets]
    if not processes.is_first:
        return
    main = scorer.main_score
    _write(out, main, scored)
    say(f"{counted(sum(map(len, datasets)), 'image')} scored in {out}.{_alarms(scorer, scored)}")
    if groups is not None and scorer.reference is not None:
        write_groups(out, groups, scored, scorer.reference)
    ranked = [(dataset, found[main]) for dataset, found in scored]
    if sheet is not None:
        draw_sheet(sheet, main, ranked)
    if maps is not None:
        usual = scorer.reference.where if scorer.reference else None
        draw_maps(maps, maps_num, scorer.stored, scorer.glow, usual, main, ranked, seed)
    described = partial(distribution, by=main, when=as_of(scorer.stored))
    keep(scorer.stored, [described(dataset, found) for dataset, found in scored])


def _to_score(
    scorer: Scorer, data: str | None, split: "Literal[SplitName, 'all'] | None", value_range: "Range | None"
) -> "list[Dataset]":
    """The images to score. A line says if the model was trained on some of them."""
    from glowflow.data import SPLITS

    stored, glow = scorer.stored, scorer.glow
    names = SPLITS if split is None or split == "all" else (split,)
    datasets = parts_of(stored, data, glow, names, value_range)
    if is_trained_on(stored, data, datasets[0].digest):
        test = [part for part in datasets if part.split == "test"]
        if split is None and test:
            return test
        if seen := sum(len(part) for part in datasets if part.split == "train"):
            say(f"{stored.name} was trained on {counted(seen, 'image')} of these, so they look too usual.")
    elif data is not None and (trained := overlap(stored, data)):
        say(f"{data} may hold images of {trained}, which {stored.name} was trained on. These look too usual.")
    return datasets


def _alarms(scorer: Scorer, scored: "Sequence[tuple[Dataset, Columns]]") -> str:
    """Say how many images are alarms at the lowest threshold that makes sense, and how many usual ones would be."""
    if scorer.main_score != "unusual" or scorer.reference is None:
        return ""
    level, total = scorer.reference.threshold, sum(len(dataset) for dataset, _ in scored)
    found = sum(int((columns["p_value"] < level).sum()) for _, columns in scored)
    expected = level * total
    usual = f"about {expected:,.0f} of {total:,} usual images" if expected >= 1 else f"{100 * level:g}% of usual images"
    return f" {found:,} {'has' if found == 1 else 'have'} a p-value below {level:g}, where {usual} would."


def _write(out: Path, main: str, scored: "Sequence[tuple[Dataset, Columns]]") -> None:
    """Write a line for each image, sorted by the main score."""
    from glowflow.durable import replacing
    from glowflow.scoring.ranking import most_unusual

    with replacing(out) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "split", "label", *scored[0][1]))
        for part, row in most_unusual([found[main] for _, found in scored]).tolist():
            dataset, found = scored[part]
            label = "" if dataset.labels is None else dataset.class_names[dataset.labels[row]]
            numbers = (f"{values[row]:.5f}" for values in found.values())
            writer.writerow((dataset.describe(row), dataset.split, label, *numbers))


def calibrate(
    model: str,
    data: str | None = None,
    split: Literal[SplitName, "all"] | None = None,
    num_images: int = 5000,
    compressors: tuple[str, ...] = ("webp",),
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Store what is usual for a model with it: the reference that `score` and `compare` need.

    Example: glowflow calibrate runs/mine --data my_photos

    A training does this by itself when it ends, on its validation images. Do it again for a model from elsewhere, or if
    images of another source count as usual. The images that it's made of look too usual later, so keep others for
    `glowflow compare`.

    Args:
        data: The usual images, such as a data set's name, a folder, or an .npz file; by default what the run was
            trained on.
        split: The part of the data to use, which the model must not have been trained on. By default it's the
            validation split, or all images if the data has no splits and isn't the training's.
        num_images: The largest number of images to use, chosen at random. More images make finer p-values.
        compressors: The lossless compressors that tell how complex an image is: webp, png, or jxl if
            pillow-jxl-plugin is installed. The one that takes the fewest bits for an image counts. The reference can be
            used where they give the same sizes, which is nearly everywhere for webp.
    """
    from glowflow.processes import joined
    from glowflow.scoring.codecs import named
    from glowflow.scoring.reference import FEWEST, Reference
    from glowflow.stored import StoredModel

    if num_images < FEWEST:
        raise InputError(f"--num-images is {num_images}; it takes a whole number of at least {FEWEST}.")
    codecs = named(compressors)
    directory = own_directory(StoredModel.open(model), "A reference")
    with joined(device_named(device)) as processes:
        stored, glow = opened(model, device)
        usual = _usual(stored, data, glow, split, value_range)
        if len(usual) < FEWEST:
            raise InputError(
                f"{usual.title}: {counted(len(usual), 'image')}. A reference takes at least {FEWEST}: give others by "
                "--data."
            )
        reference = Reference.learned(glow, usual.thinned(num_images), codecs, seed=seed, processes=processes)
    if not processes.is_first:
        return
    reference.save(directory, stored.digest)
    bits = reference.usual["bits_per_dim"]
    print_rows(
        {
            "usual images": f"{len(bits)} of {usual.title}",
            "bits/dim": f"{bits[len(bits) // 2]:.4f}, 98% of them from {bits[len(bits) // 100]:.4f} to "
            f"{bits[-1 - len(bits) // 100]:.4f}",
            "compressors": ", ".join(map(str, reference.codecs)),
        }
    )
    say(f"The reference is in {directory}. Next: glowflow score {quoted(model)} --data IMAGES")


def _usual(
    stored: "StoredModel",
    data: str | None,
    glow: "Glow",
    split: "Literal[SplitName, 'all'] | None",
    value_range: "Range | None",
) -> "Dataset":
    """The images to calibrate with. Those that the model was trained on are refused."""
    from glowflow.data import SPLITS
    from glowflow.data.whole import whole

    if split is None:
        return unseen_of(stored, data, glow, "validation", value_range)
    if data is not None:
        refuse_overlap(stored, data)
    parts = parts_of(stored, data, glow, SPLITS if split == "all" else (split,), value_range)
    if split in {"all", "train"} and is_trained_on(stored, data, parts[0].digest):
        raise InputError(
            f"--split is {split}, and {stored.name} was trained on images of {parts[0].name}, so they look too usual: "
            "leave out --split."
        )
    return parts[0] if len(parts) == 1 else whole(parts)
