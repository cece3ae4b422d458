"""The command that tells how well a model's scores tell two kinds of images apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from glowflow.commands.inputs import check_parent, check_picture, check_seed, dataset_for, print_rows
from glowflow.commands.scorer import Scorer
from glowflow.errors import InputError
from glowflow.progress import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glowflow.scoring.separation import Scored


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

    AUROC is the chance that an unusual image has a higher score than a usual one: 0.5 is guessing. Detection is the
    share of unusual images that are found if 5 of 100 usual images may raise a false alarm. The images are those of the
    test split, if the data comes with one. Otherwise they are all images of a folder or a file.

    Args:
        data: The usual images, such as a data set's name, a folder, or an .npz file; by default what the run was
            trained on.
        against: The unusual images, in the same form. They must be given.
        background: A model of other, more general images, for the score `background_corrected`.
        json: Also write the result into this file, with intervals that hold 95 of 100 values, and versions.
        out: Also draw histograms of the scores into this picture.
    """
    from glowflow.durable import save_json
    from glowflow.provenance import provenance
    from glowflow.scoring.separation import separation

    check_seed(seed)
    if against is None:
        raise InputError("There is nothing to compare with: give the unusual images by --against.")
    if json is not None:
        check_parent(json)
    if out is not None:
        check_picture(out)
    scorer = Scorer.opened(model, background, device)
    usual, other = (_scored(scorer, name, value_range, seed) for name in (data, against))
    found = {name: separation(usual[name], other[name], seed) for name in usual}
    print_rows({name: _said(measured) for name, measured in found.items()})
    if json is not None:
        about = {"model": model, "data": data, "against": against, "seed": seed}
        sizes = {"images": len(usual["bits_per_dim"].values), "against_images": len(other["bits_per_dim"].values)}
        save_json(json, about | sizes | {"scores": found} | provenance())
    if out is not None:
        _draw(out, usual, other, found)


def _scored(
    scorer: Scorer, data: str | None, value_range: tuple[float, float] | None, seed: int
) -> "dict[str, Scored]":
    """The scores of a data set's images, by name. More is more unusual."""
    import numpy as np

    from glowflow.data import SPLITS
    from glowflow.data.own_splits import has_own_splits
    from glowflow.scoring.separation import Scored

    names = ("test",) if data is None or has_own_splits(data) else SPLITS
    parts = [
        dataset_for(scorer.stored, data, scorer.glow, name, value_range, may_be_empty=len(names) > 1) for name in names
    ]
    parts = [part for part in parts if len(part)]
    found = [scorer.unusualness(part, seed) for part in parts]
    groups = [part.groups for part in parts if part.groups is not None]
    joined = np.concatenate(groups) if len(groups) == len(parts) else None
    return {name: Scored(np.concatenate([each[name] for each in found]), joined) for name in found[0]}


def _said(measured: "Mapping[str, Any]") -> str:
    low, high = measured["auroc_95"]
    return (
        f"AUROC {measured['auroc']:.3f} ({low:.3f} to {high:.3f}), average precision "
        f"{measured['average_precision']:.3f}, detection {measured['detection']:.1%}"
    )


def _draw(
    out: Path, usual: "Mapping[str, Scored]", other: "Mapping[str, Scored]", found: "Mapping[str, Mapping[str, Any]]"
) -> None:
    from glowflow.pictures import save
    from glowflow.scoring.histograms import histograms

    panels = {name: (usual[name].sorted, other[name].sorted, (f"AUROC {found[name]['auroc']:.3f}",)) for name in found}
    save(histograms(panels), out)
    say(f"The histograms are in {out}: usual images in blue, the others in orange.")
