"""Which images a run is trained on. A digest identifies them, so the run can go on after they were moved."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from glowflow import data
from glowflow.config import RunConfig
from glowflow.data import Dataset, Split, check_needed, for_all_kinds, identity, is_there
from glowflow.durable import load_json, save_json
from glowflow.errors import InputError, listed
from glowflow.progress import say
from glowflow.stored import StoredModel
from glowflow.training.run import has_begun, read_config
from glowflow.weights import IMAGES


def prepared(out: Path, config: RunConfig) -> dict[Split, Dataset]:
    """Prepare every split of the data of the run in `out`, and check that a run goes on with the images it began with.

    Raises:
        InputError: If the data can't be used, or aren't these images, or if the run doesn't record its images.
    """
    _check_place(out, config)
    settings = config.train
    ranges = for_all_kinds(settings.value_range)
    splits = data.prepare(settings.data, config.model.image_shape, value_ranges=ranges)
    check_needed(settings.value_range, splits["train"].value_ranges, f"the images of {settings.data}")
    digest = splits["train"].digest or identity.digest_of(splits)  # older versions prepared data without one
    _check(out, config, digest, splits["train"].class_names)
    return {split: replace(dataset, digest=digest) for split, dataset in splits.items()}


def _check_place(out: Path, config: RunConfig) -> None:
    """Refuse to go on if the images' new place is empty, or if the run can't tell whether they are the same."""
    if not has_begun(out):
        return
    old, new = _place(out), config.train.data
    if not is_there(new):
        raise InputError(f"{out} can't go on: there is nothing at {new}. Give --data with the place of its images now.")
    if old != new and not recorded(out):
        raise InputError(
            f"{out} was trained on {old}, not on {new}, and it's too old to record which images those are. Put them "
            f"(or a link to them) at {old} again and give the command once with --data {old}; or give another --out."
        )


def _check(out: Path, config: RunConfig, digest: str, class_names: Sequence[str]) -> None:
    """Refuse images with another digest than the run records. The class names serve the message."""
    if not has_begun(out) or recorded(out) in {"", digest}:
        return
    old, new, trained = _place(out), config.train.data, StoredModel.open(out).class_names
    why = f"aren't those that were in {old}" if old != new else "have changed (added, removed, renamed or edited)"
    if trained and sorted(trained) != sorted(class_names):
        why = f"have the classes {listed(class_names)} now, and it was trained on {listed(trained)}"
    raise InputError(
        f"{out} can't go on: the images of {new} {why}. Give --data with the place of the images that it was trained "
        f"on; or train its model further on these with --from {out} and another --out."
    )


def record(out: Path, digest: str) -> None:
    """Note which images the run in `out` is trained on."""
    if recorded(out) == digest:
        return
    if has_begun(out):
        say(f"{out} didn't record its images yet: from now on it goes on with these alone, wherever they are moved to.")
    save_json(out / IMAGES, {"digest": digest})


def recorded(out: Path) -> str:
    """The digest of the images that a run, or a model, is trained on; empty if it isn't recorded there."""
    return str(load_json(out / IMAGES).get("digest", "")) if (out / IMAGES).is_file() else ""


def _place(out: Path) -> str:
    """The place of the images when the run in `out` began."""
    return str(read_config(out)["train"]["data"])
