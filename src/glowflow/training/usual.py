"""What is usual for the best model of a training. It's learned from all validation images when the training ends."""

from pathlib import Path

import torch

from glowflow import weights
from glowflow.data import Dataset
from glowflow.errors import InputError
from glowflow.model import Glow
from glowflow.processes import Processes
from glowflow.progress import say
from glowflow.scoring.codecs import installed
from glowflow.scoring.reference import FEWEST, MOST, Reference
from glowflow.stored import StoredModel
from glowflow.training.run import BEST


def learn(out: Path, validation: Dataset, device: str, processes: Processes) -> None:
    """Store the reference of the best model beside it, unless this was done before.

    During the training the reference is one of the validation images that the training looks at, and has no maps. This
    one is of at most MOST validation images.

    Args:
        out: The run's directory.
        validation: All validation images, with the model's classes.
        device: The device to compute on.
        processes: The first one writes, and all of them share the work.
    """
    processes.wait()  # for the first one, which wrote the model
    directory = out / BEST
    if not weights.exists(directory):
        return
    if len(validation) < FEWEST:
        say(
            f"{validation.name} has {len(validation)} validation images. At least {FEWEST} are needed to tell what is "
            f"usual, so glowflow score has fewer scores. glowflow calibrate {out} --data IMAGES learns it from others."
        )
        return
    stored = StoredModel(str(directory), directory)
    if processes.any(_is_learned(stored)):
        return
    try:
        model = Glow.from_pretrained(stored, device).freeze()
        reference = Reference.learned(model, validation.thinned(MOST), installed(), processes=processes)
        if processes.is_first:
            reference.save(directory, stored.digest)
    except (InputError, OSError, torch.OutOfMemoryError) as error:
        say(f"What is usual couldn't be stored ({error}). glowflow calibrate {out} tries again.")


def _is_learned(stored: StoredModel) -> bool:
    """True if there is a reference with maps, which no reference has that was made during the training."""
    try:
        reference = Reference.stored(stored)
    except InputError:
        return False
    return reference is not None and reference.where is not None
