"""What is usual for the best model of a training. It's learned from all validation images when the training ends."""

import signal
from pathlib import Path

from glowflow import weights
from glowflow.data import Dataset
from glowflow.errors import InputError, TrainingInterruptedError, counted, one_line
from glowflow.model import Glow
from glowflow.paths import quoted
from glowflow.processes import Processes
from glowflow.progress import say
from glowflow.scoring.codecs import standard
from glowflow.scoring.reference import FEWEST, MOST, Reference
from glowflow.stored import StoredModel
from glowflow.training.run import BEST


def learn(out: Path, validation: Dataset, device: str, processes: Processes) -> None:
    """Store the reference of the best model beside it, unless this was done before.

    During the training, the reference is made of the validation images that the training looks at, without maps. This
    one is made of up to MOST validation images, with maps.

    Args:
        out: The run's directory.
        validation: All validation images, with the model's classes.
        device: The device to compute on.
        processes: The first one writes, and all of them share the work.

    Raises:
        TrainingInterruptedError: After a signal. The model is stored.
    """
    processes.wait()  # for the first one, which wrote the model
    directory = out / BEST
    if not weights.exists(directory) or len(validation) < FEWEST:
        return
    stored = StoredModel(str(directory), directory)
    if processes.any(_is_learned(stored)):
        return
    used = validation.thinned(MOST)
    say(f"The training is done. Now glowflow learns what is usual, from {counted(len(used), 'validation image')}.")
    try:
        model = processes.attempted(lambda: Glow.from_pretrained(stored, device).freeze())
        reference = Reference.learned(model, used, standard(), processes=processes)
        if processes.is_first:
            reference.save(directory, stored.digest)
    except KeyboardInterrupt as error:
        message = f"Interrupted. The model is stored, and glowflow calibrate {quoted(out)} learns what is usual."
        raise TrainingInterruptedError(message, getattr(error, "signum", signal.SIGINT)) from None
    except Exception as error:  # whatever devices, compressors and parts of one's own may raise: the training is done
        say(f"What is usual couldn't be stored ({one_line(error)}). glowflow calibrate {quoted(out)} tries again.")


def say_if_few(out: Path, validation: Dataset) -> None:
    """Report, when a training begins, that there are too few validation images to tell what is usual."""
    if len(validation) < FEWEST:
        say(
            f"{validation.name} has {counted(len(validation), 'validation image')}. At least {FEWEST} are needed to "
            f"tell what is usual, so glowflow score will have fewer scores. Put {FEWEST} images into a "
            f"sub-folder validation and the others into train, or keep {FEWEST} others for "
            f"glowflow calibrate {quoted(out)} --data IMAGES."
        )


def _is_learned(stored: StoredModel) -> bool:
    """True if there is a reference with maps, which no reference has that was made during the training."""
    try:
        reference = Reference.stored(stored)
    except InputError:
        return False
    return reference is not None and reference.where is not None
