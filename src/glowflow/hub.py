"""Upload models to the Hugging Face hub, and explain what prevents it."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from torch import Tensor

from glowflow import card, weights
from glowflow.card import Card
from glowflow.errors import InputError, one_line
from glowflow.packages import imported
from glowflow.pictures import grid

SHOWN, COLUMNS, TEMPERATURE = 16, 8, 0.7
"""The picture's number of images, images in a row, and temperature."""


def check(name: str) -> None:
    """Refuse a name that can't be pushed to, as far as this is known without asking the hub.

    Raises:
        InputError: If a name isn't OWNER/NAME, or huggingface_hub or a token is missing.
    """
    if not weights.HUB_NAME.fullmatch(name):
        raise InputError(f"{name} is no name on the hub: it takes OWNER/NAME, where OWNER is you or your organisation.")
    if imported("huggingface_hub", "Pushing a model to the hub", "hub").get_token() is None:
        raise InputError("There is no token for the hub: run hf auth login, or set HF_TOKEN to a token that may write.")


def push(directory: Path, about: Card, images: Tensor, *, private: bool = False, reference: Path | None = None) -> str:
    """Upload the model stored in a directory in one commit, and return the address of its page.

    Files of an earlier model that this one lacks are removed there. A card that somebody else wrote is kept: one in the
    directory is uploaded, and otherwise one on the hub stays.

    Args:
        directory: The stored model; only its `weights.FILES` are uploaded.
        about: The model's card, with its name on the hub.
        images: Images that the model drew (N, C, H, W), uint8.
        private: True if only its owner may see a new page.
        reference: The file that says what is usual for the model, instead of the one in the directory.

    Raises:
        InputError: If it can't be uploaded; a page that was there stays as it was.
    """
    check(about.name)
    from huggingface_hub import HfApi  # noqa: PLC0415 (an optional extra)

    api = HfApi(library_name="glowflow")
    with _explained(about.name):
        api.create_repo(about.name, private=private or None, exist_ok=True)
        page = api.model_info(about.name)
        if private and not page.private:
            raise InputError(f"{about.name} is public already: make it private in its settings on the hub first.")
        there = {file.rfilename for file in page.siblings or ()}
        files = _files(directory, images) | _card(api, directory, about, there)
        files |= {weights.REFERENCE: reference} if reference else {}
        api.create_commit(about.name, _operations(files, there), commit_message="Upload a model of glowflow")
    return f"{api.endpoint}/{about.name}"


def _files(directory: Path, images: Tensor) -> dict[str, Path | bytes]:
    """The files to upload, by their names on the hub."""
    picture = BytesIO()
    grid(images, COLUMNS).save(picture, "PNG")
    found = (path for pattern in weights.FILES for path in sorted(directory.glob(pattern)))
    return {path.name: path for path in found} | {card.PICTURE: picture.getvalue()}


def _card(api: Any, directory: Path, about: Card, there: set[str]) -> dict[str, Path | bytes]:  # noqa: ANN401 (HfApi)
    """The card to upload; none if the card on the hub stays."""
    mine, on_hub = card.own(directory), None
    if mine is None and card.FILE in there:
        on_hub = card.own(Path(api.hf_hub_download(about.name, card.FILE)).parent)
    if about.license_id and (mine or on_hub):
        where = "on the hub" if mine is None else f"in {directory}"
        raise InputError(f"The card {where} was written by hand: write the licence there, and leave out --license.")
    text = str(about) if mine is None else mine
    return {} if on_hub else {card.FILE: text.encode(errors="replace")}


def _operations(files: dict[str, Path | bytes], there: set[str]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete  # noqa: PLC0415 (an optional extra)

    ours = {name for name in there for pattern in weights.FILES if Path(name).match(pattern)}
    added = [CommitOperationAdd(name, content) for name, content in files.items()]
    return [*added, *(CommitOperationDelete(name) for name in sorted(ours - files.keys()))]


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what the hub and its library raise into sentences."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever the network, the hub and its library may raise
        cause = error.__cause__ if isinstance(error, RuntimeError) else None  # of a single file's upload
        raise InputError(_reason(name, cause or error)) from error


def _reason(name: str, error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    told = one_line(error)
    if status == 401:
        return "The hub doesn't know your token: run hf auth login, or set HF_TOKEN to a token that may write."
    if status == 403:
        return f"Your token may not write to {name}: use a name of your own, or a token that may write there."
    if status is not None or isinstance(error, ValueError):
        return f"The hub refuses {name} ({told})."
    return f"The hub can't be reached ({told}): check the network and try again."
