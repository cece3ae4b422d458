"""A model that is open for scoring, as the commands that score images use it."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from glowflow.commands.inputs import opened
from glowflow.errors import InputError
from glowflow.paths import quoted
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.data import Dataset
    from glowflow.evaluate import Floats
    from glowflow.model import Glow
    from glowflow.processes import Processes
    from glowflow.scoring.codecs import Codec
    from glowflow.scoring.reference import Reference
    from glowflow.stored import StoredModel

    Columns = dict[str, Floats]


@dataclass(frozen=True)
class Scorer:
    """A model that is open for scoring, with what is usual for it and with a background model, if there are any."""

    stored: "StoredModel"
    glow: "Glow"
    reference: "Reference | None"
    background: "Glow | None"

    @classmethod
    def opened(cls, model: str, background: str | None, device: str | None) -> Self:
        """Open a model. A line reports that it has no reference, or none for the compressors that are here."""
        from glowflow.scoring.reference import Reference

        stored, glow = opened(model, device)
        reference = Reference.stored(stored)
        if reference is not None and reference.problem:
            say(f"The scores that need a compressor are left out. {reference.problem}")
        if reference is None:
            say(
                f"{model} has no reference that tells what is usual, so there are fewer scores: "
                f"glowflow calibrate {quoted(model)} makes one."
            )
        return cls(stored, glow, reference, _background(background, glow, device) if background else None)

    @property
    def main_score(self) -> str:
        """The score to sort by."""
        return "bits_per_dim" if self.reference is None or self.reference.problem else "unusual"

    @property
    def codecs(self) -> "tuple[Codec, ...]":
        """The compressors to use: the reference's, or all that are here."""
        from glowflow.scoring.codecs import installed

        return installed() if self.reference is None else self.reference.codecs

    def columns(self, dataset: "Dataset", draws: int, seed: int, processes: "Processes") -> "Columns":
        """The scores of each image (N,), by the names of their columns; the most important ones first.

        The bits/dim are averaged over draws of noise. All that is compared with usual images is of the first draw, as
        the reference is.
        """
        from glowflow.evaluate import scores
        from glowflow.scoring.columns import columns, scored

        make = partial(columns, reference=self.reference)
        table = scored(self.glow, dataset, make, self.codecs, seed=seed, processes=processes)
        if draws > 1:
            table["bits_per_dim"] = scores(self.glow, dataset, draws, seed, processes)
        return table | self._beside_background(table["bits_per_dim"], dataset, draws, seed, processes)

    def unusualness(self, dataset: "Dataset", seed: int, processes: "Processes") -> "Columns":
        """The scores of each image (N,) that can be compared, by name. More is more unusual."""
        from glowflow.scoring.columns import scored, unusualness

        make = partial(unusualness, reference=self.reference)
        table = scored(self.glow, dataset, make, self.codecs, seed=seed, processes=processes)
        return table | self._beside_background(table["bits_per_dim"], dataset, 1, seed, processes)

    def _beside_background(
        self, bits_per_dim: "Floats", dataset: "Dataset", draws: int, seed: int, processes: "Processes"
    ) -> "Columns":
        """The bits/dim beyond those of the background model, if there is one."""
        from glowflow.evaluate import scores

        if self.background is None:
            return {}
        return {"background_corrected": bits_per_dim - scores(self.background, dataset, draws, seed, processes)}


def _background(name: str, glow: "Glow", device: str | None) -> "Glow":
    """The background model, which takes the same images."""
    _, background = opened(name, device)
    mine, its = glow.config, background.config
    if (mine.image_shape, mine.num_bits) != (its.image_shape, its.num_bits) or its.num_classes:
        shape = "x".join(map(str, mine.image_shape))
        raise InputError(
            f"--background is {name}; it takes a model without classes, of images {shape} with {mine.num_bits} bits. "
            f"glowflow train has the options --model.image-shape and --model.num-bits for it."
        )
    return background
