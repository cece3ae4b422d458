"""Which images a run is trained on: known by a digest, so that the run goes on wherever they are moved to."""

from pathlib import Path

from glowflow.config import RunConfig
from glowflow.data import is_name
from glowflow.durable import load_json, save_json
from glowflow.errors import InputError
from glowflow.progress import say
from glowflow.training.run import has_begun, read_config

IMAGES = "images.json"


def check_place(out: Path, config: RunConfig) -> None:
    """Refuse to go on with the run in `out` from a place where its images can't be.

    Raises:
        InputError: If there is nothing, or if it's another place and the run doesn't record which images it has.
    """
    if not has_begun(out):
        return
    old, new = _place(out), config.train.data
    if not is_name(new) and not Path(new).expanduser().exists():
        raise InputError(f"{out} can't go on: there is nothing at {new}. Give --data with the place of its images now.")
    if old != new and not recorded(out):
        raise InputError(
            f"{out} was trained on {old}, not on {new}, and it's too old to record which images those are. Put them "
            f"(or a link to them) at {old} again and give the command once with --data {old}; or give another --out."
        )


def check(out: Path, config: RunConfig, digest: str) -> None:
    """Refuse to go on with the run in `out` on other images than those that it began with.

    Args:
        out: The run's directory.
        config: The run's settings now.
        digest: Of the images now.

    Raises:
        InputError: If the run records other images.
    """
    if not has_begun(out) or recorded(out) in {"", digest}:
        return
    old, new = _place(out), config.train.data
    why = f"aren't those that were in {old}" if old != new else "have changed (added, removed, renamed or edited)"
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
    """The digest of the images that the run in `out` is trained on; empty if it doesn't record them."""
    return str(load_json(out / IMAGES).get("digest", "")) if (out / IMAGES).is_file() else ""


def _place(out: Path) -> str:
    """Where the images of the run in `out` were."""
    return str(read_config(out)["train"]["data"])
