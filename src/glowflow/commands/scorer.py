"""A model that is open for scoring, as the commands that score images use it."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from glowflow.commands.inputs import opened
from glowflow.errors import InputError, counted
from glowflow.progress import say
from glowflow.shapes import shape_text

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        """Open a model. A line says which reference it has, and if the compressors that it needs aren't here."""
        from glowflow.scoring.reference import FEWEST, Reference, how_to_make

        stored, glow = opened(model, device)
        reference = Reference.stored(stored)
        if reference is None:
            say(
                f"{model} has no reference that tells what is usual, so there are fewer scores. A reference takes at "
                f"least {FEWEST} usual images: the training's validation images, or those that --data names. "
                f"{how_to_make(stored, 'one')}"
            )
        elif reference.problem:
            say(
                "The scores that compare with the bits of a compressor are left out, among them unusual and p_value, "
                f"so complexity_corrected is the main score. {reference.problem}"
            )
        if reference is not None:
            say(_compared_with(stored, reference))
        return cls(stored, glow, reference, _background(background, glow, device) if background else None)

    @property
    def main_score(self) -> str:
        """The score to sort by. Bits/dim alone would call plain images usual."""
        return "complexity_corrected" if self.reference is None or self.reference.problem else "unusual"

    @property
    def codecs(self) -> "tuple[Codec, ...]":
        """The compressors to use: the reference's, or the standard one."""
        from glowflow.scoring.codecs import standard

        return standard() if self.reference is None else self.reference.codecs

    def say_if_seen(self, datasets: "Sequence[Dataset]") -> None:
        """Report images that the reference was made of."""
        for dataset in datasets:
            if self.reference is not None and self.reference.has_seen(dataset):
                say(f"The reference was made of images of {dataset.title}, so they look too usual.")

    def columns(self, dataset: "Dataset", draws: int, seed: int, processes: "Processes") -> "Columns":
        """The scores of each image (N,), by the names of their columns; the most important ones first.

        The bits/dim are averaged over draws of noise. Scores that compare with usual images use only the first draw, as
        the reference does.
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


def _compared_with(stored: "StoredModel", reference: "Reference") -> str:
    """Say what images are compared with."""
    from glowflow.scoring.reference import how_to_make

    usual = counted(len(reference.usual["bits_per_dim"]), "usual image")
    compared = f"Images are compared with {usual} of {reference.data}."
    if reference.where is not None:
        return compared
    finer = how_to_make(stored, "a finer reference")
    return f"{compared} The reference has no maps of what is unusual. {finer}"


def _background(name: str, glow: "Glow", device: str | None) -> "Glow":
    """The background model, which takes the same images with the same kind of noise."""
    from glowflow.evaluate import bound
    from glowflow.parts import DEQUANTIZERS

    _, background = opened(name, device)
    mine, its = glow.config, background.config
    if (mine.image_shape, mine.num_bits) != (its.image_shape, its.num_bits) or its.num_classes:
        shape = shape_text(mine.image_shape)
        raise InputError(
            f"--background is {name}; it takes a model without classes, of images {shape} with {mine.num_bits} bits. "
            f"glowflow train has the options --model.image-shape and --model.num-bits for it."
        )
    if bound(mine) != bound(its):
        kinds = [DEQUANTIZERS.name_of(config.dequantizer) for config in (its, mine)]
        raise InputError(
            f"--background is {name}. Its bits/dim are of {kinds[0]} dequantisation, and the model's of {kinds[1]} "
            f"dequantisation, so they can't be compared: give a background model with the model's dequantizer."
        )
    return background
