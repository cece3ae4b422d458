"""Fetching the files of a published data set through torchvision, which knows where they lie and checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from glowflow.data.published.optional import imported
from glowflow.errors import InputError


def download(dataset: str, calls: Sequence[Mapping[str, str | bool]], folder: Path) -> None:
    """Have torchvision fetch a data set's files to `folder`, those that aren't there.

    Args:
        dataset: the name of torchvision's class.
        calls: the options with which to call it, which choose the files.
        folder: its root.

    Raises:
        InputError: torchvision isn't installed or doesn't work, or the files can't be had.
    """
    datasets = imported("torchvision.datasets", f"Downloading {dataset}", "vision")
    folder.mkdir(parents=True, exist_ok=True)
    for options in calls:
        try:
            getattr(datasets, dataset)(str(folder), download=True, **options)
        except Exception as error:  # whatever the network and the servers may do
            raise InputError(
                f"{dataset} can't be downloaded ({' '.join(str(error).split())}): fetch its files by hand, and give "
                "their folder with --files."
            ) from error
