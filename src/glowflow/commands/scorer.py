"""A model that is open for scoring, as the commands that score images use it."""

from dataclasses import dataclass
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
    from glowflow.scoring.reference import Reference
    from glowflow.scoring.statistics import Statistics
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
        """Open a model. A line reports that it has no reference."""
        from glowflow.scoring.reference import Reference

        stored, glow = opened(model, device)
        reference = Reference.load(stored)
        if reference is None:
            say(
                f"{model} has no reference that tells what is usual, so there are fewer scores: "
                f"glowflow calibrate {quoted(model)} makes one."
            )
        return cls(stored, glow, reference, _background(background, glow, device) if background else None)

    @property
    def main_score(self) -> str:
        """The score to sort by."""
        return "bits_per_dim" if self.reference is None else "unusual"

    def columns(self, dataset: "Dataset", draws: int, seed: int, processes: "Processes") -> "Columns":
        """The scores of each image (N,), by the names of their columns; the most important ones first."""
        from glowflow.scoring.columns import columns

        table = columns(self._statistics(dataset, draws, seed, processes), self.reference)
        return table | self._beside_background(table["bits_per_dim"], dataset, draws, seed, processes)

    def unusualness(self, dataset: "Dataset", seed: int) -> "Columns":
        """The scores of each image (N,) that can be compared, by name. More is more unusual."""
        from glowflow.processes import ALONE
        from glowflow.scoring.columns import unusualness

        table = unusualness(self._statistics(dataset, 1, seed, ALONE), self.reference)
        return table | self._beside_background(table["bits_per_dim"], dataset, 1, seed, ALONE)

    def _statistics(self, dataset: "Dataset", draws: int, seed: int, processes: "Processes") -> "Statistics":
        from glowflow.scoring.codecs import installed
        from glowflow.scoring.statistics import statistics

        codecs = installed() if self.reference is None else self.reference.codecs
        return statistics(self.glow, dataset, codecs, num_draws=draws, seed=seed, processes=processes)

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
            f"--background is {name}; it takes a model without classes, of images {shape} with {mine.num_bits} bits."
        )
    return background
