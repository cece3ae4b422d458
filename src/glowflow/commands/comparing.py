"""The command that tells how well a model's scores tell two kinds of images apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from glowflow.commands.inputs import check_different, check_parent, check_picture, check_seed, device_named, print_rows
from glowflow.commands.scorer import Scorer
from glowflow.commands.splits import unseen_of
from glowflow.errors import InputError, counted
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glowflow.data import Dataset
    from glowflow.processes import Processes
    from glowflow.scoring.separation import Scored

FEW, FEW_SCENES = 30, 5
"""An interval from fewer images, or from fewer scenes, is too narrow."""


def compare(
    model: str,
    data: str | None = None,
    against: str | None = None,
    background: str | None = None,
    seed: int = 0,
    json: Path | None = None,
    out: Path | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Measure how well each score tells unusual images from usual ones.

    Example: glowflow compare runs/mine --against other_photos --json apart.json

    AUROC is the chance that an unusual image has a higher score than a usual one: 0.5 is guessing. For the average
    precision, take for each unusual image the share of unusual ones among it and all images above it in the list,
    and then the mean of these shares. It depends on how many there are of each kind. Detection is the share of
    unusual images that are found if 5 of 100 usual images may raise a false alarm.

    The images are those of the test split, if the data comes with one or the model was trained on it. Otherwise they
    are all images of a folder or a file.

    Args:
        data: The usual images, such as a data set's name, a folder, or an .npz file; by default what the run was
            trained on.
        against: The unusual images, named in the same way. Required.
        background: A model of other, more general images, for the score `background_corrected`.
        json: Also write the result into this file, with 95% intervals and versions.
        out: Also draw histograms of the scores into this picture.
    """
    from glowflow.durable import save_json
    from glowflow.processes import joined
    from glowflow.provenance import provenance
    from glowflow.scoring.separation import separation

    check_seed(seed)
    if against is None:
        raise InputError("There is nothing to compare with: give the unusual images by --against.")
    if json is not None:
        check_parent(json)
    if out is not None:
        check_picture(out)
    check_different({"--json": json, "--out": out})
    with joined(device_named(device)) as processes:
        scorer = Scorer.opened(model, background, device)
        images = [unseen_of(scorer.stored, name, scorer.glow, "test", value_range) for name in (data, against)]
        mine, those = images
        if mine.digest and (mine.digest, mine.split) == (those.digest, those.split):
            say(f"--against names the usual images themselves ({mine.title}), so every AUROC is 0.5.")
        scorer.say_if_seen(images)
        usual, other = (_scored(scorer, each, seed, processes) for each in images)
    if not processes.is_first:
        return
    found = {name: separation(usual[name], other[name], seed) for name in usual}
    compared = dict(zip(("usual images", "unusual images"), map(_counted, images), strict=True))
    print_rows(compared | {name: _said(measured) for name, measured in found.items()})
    for what, scored in (("usual", usual), ("unusual", other)):
        _say_few(what, scored["bits_per_dim"])
    if json is not None:
        about = {
            "model": model,
            "data": data or mine.name,
            "split": mine.split,
            "images": len(mine),
            "against": against,
            "against_split": those.split,
            "against_images": len(those),
            "seed": seed,
        }
        save_json(json, about | {"scores": found} | provenance())
    if out is not None:
        _draw(out, usual, other, found)


def _scored(scorer: Scorer, dataset: "Dataset", seed: int, processes: "Processes") -> "dict[str, Scored]":
    """The scores of images, by name. More is more unusual."""
    from glowflow.scoring.separation import Scored

    return {
        name: Scored(values, dataset.groups) for name, values in scorer.unusualness(dataset, seed, processes).items()
    }


def _counted(dataset: "Dataset") -> str:
    return f"{len(dataset):,} of {dataset.title}"


def _say_few(what: str, scored: "Scored") -> None:
    """Report that there are too few images, or scenes of them, for the intervals."""
    count, is_grouped = scored.num_clusters, scored.groups is not None
    if count < (FEW_SCENES if is_grouped else FEW):
        effect = "there are no intervals" if count == 1 else "the intervals are too narrow"
        said = f"come from {counted(count, 'scene')}" if is_grouped else f"are only {count}"
        say(f"The {what} images {said}, so {effect}.")


def _said(measured: "Mapping[str, Any]") -> str:
    ends = measured["auroc_95"]
    interval = f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    return (
        f"AUROC {measured['auroc']:.3f}{interval}, average precision {measured['average_precision']:.3f}, detection "
        f"{measured['detection']:.1%}"
    )


def _draw(
    out: Path, usual: "Mapping[str, Scored]", other: "Mapping[str, Scored]", found: "Mapping[str, Mapping[str, Any]]"
) -> None:
    from glowflow.pictures import save
    from glowflow.scoring.histograms import histograms

    panels = {name: (usual[name].sorted, other[name].sorted, (f"AUROC {found[name]['auroc']:.3f}",)) for name in found}
    save(histograms(panels), out)
    say(f"The histograms are in {out}: usual images in blue, the others in orange.")
