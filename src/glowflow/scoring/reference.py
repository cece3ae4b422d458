"""What is usual for a model: the scores of validation images. Ranks and p-values compare other images with them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Self

import numpy as np
import torch

from glowflow import weights
from glowflow.data import Dataset
from glowflow.errors import InputError, counted
from glowflow.evaluate import Floats
from glowflow.model import Glow
from glowflow.paths import quoted
from glowflow.processes import ALONE, Processes
from glowflow.progress import say
from glowflow.scoring.codecs import ALL, Codec, standard
from glowflow.scoring.gaussian import Gaussian
from glowflow.scoring.statistics import Statistics, statistics
from glowflow.scoring.where import UsualBits
from glowflow.stored import StoredModel
from glowflow.weights import REFERENCE

FORMAT_VERSION = 1
FEWEST, MOST = 100, 5000
"""The fewest images that make a reference, and the most that are looked at."""
USUAL = "usual."
"""The beginning of the names of the tensors that hold the usual images' scores."""
WHERE = "where."
"""The beginning of the names of the tensors that hold the usual bits of pixels."""
NEAR = 0.99
"""The share of usual images that tell how far away such images are. A broken one may be very far away."""
THRESHOLDS = (0.01, 0.02, 0.05, 0.1)
"""The p-values below which images count as alarms in messages."""
PARTS = ("bits", "latents", "layout")
"""What an image may be unusual in; see `Reference`."""


@dataclass(frozen=True)
class Reference:
    """The scores of usual images, which the model wasn't trained on.

    Three Gaussians describe usual images. Each has an image's distance from it as a score:

    - `layout`: the means of the pixels in cells (`Statistics.layout`).
    - `latents`: the latents' squares and products (`Statistics.latents`).
    - `bits`: the bits of each level, those of a compressor, and the distance of the layout. Bits that are too few count
      as much as bits that are too many.

    The distances' logarithms are standardised. Their tails under a standard normal distribution are combined as Fisher
    did (1925): the score `unusual` is the sum, over the distances, of -log10 of the share of usual images that is
    expected to lie further away.

    The usual images' distances are those from the others of them (`Gaussian.fit`). So the score of a new usual image
    has the same distribution, and its p-value is evenly distributed.

    Attributes:
        gaussians: For each of PARTS.
        centre: The mean of the usual images' distances from each, (3,), without the largest distances.
        spread: Their standard deviation, (3,).
        usual: The scores of the usual images, by their names, each ascending, (N,).
        codecs: The compressors.
        data: The name of the usual images.
        split: The split that they are from, or "all"; empty if it's unknown.
        images: The digest of their data set (`Dataset.digest`); empty if it's unknown.
        where: The bits that they take at each pixel, for maps; None if they are unknown.
        problem: Why scores by compressors can't be compared with this reference here; empty if they can.
    """

    gaussians: tuple[Gaussian, ...]
    centre: Floats
    spread: Floats
    usual: Mapping[str, Floats]
    codecs: tuple[Codec, ...]
    data: str
    split: str = ""
    images: str = ""
    where: UsualBits | None = None
    problem: str = ""

    @classmethod
    def learned(
        cls, model: Glow, dataset: Dataset, codecs: Sequence[Codec], *, seed: int = 0, processes: Processes = ALONE
    ) -> Self:
        """The reference that a data set of usual images makes, with the bits of pixels; see `of`."""
        _check_number(len(dataset), dataset.name)
        found = cls.of(statistics(model, dataset, codecs, seed=seed, processes=processes), codecs, dataset.name)
        return replace(found.made_of(dataset), where=UsualBits.of(model, dataset, processes))

    @classmethod
    def of(cls, found: Statistics, codecs: Sequence[Codec], data: str) -> Self:
        """The reference that usual images make, without the bits of pixels.

        Raises:
            InputError: If there are too few of them, or the model gives numbers that aren't finite.
        """
        _check_number(len(found.layout), data)
        if not all(np.isfinite(values).all() for values in (found.bits_per_dim, found.latents)):
            raise InputError(f"The model doesn't give finite numbers for all images of {data}.")
        of_layout, layout = Gaussian.fit(found.layout)
        of_latents, latents = Gaussian.fit(found.latents)
        of_bits, bits = Gaussian.fit(_bits(found, layout))
        distances = np.stack([bits, latents, layout], 1)
        centre, spread = np.transpose([_typical(each) for each in distances.T])
        usual = plain(found) | _tails((distances - centre) / spread)
        return cls(
            (of_bits, of_latents, of_layout),
            centre,
            spread,
            {name: np.sort(values) for name, values in usual.items()},
            tuple(codecs),
            data,
        )

    def scores(self, found: Statistics) -> dict[str, Floats]:
        """The scores of images (N,) by name. More is more unusual, except for bits/dim."""
        of_bits, of_latents, of_layout = self.gaussians
        layout, latents = of_layout.distance(found.layout), of_latents.distance(found.latents)
        bits = of_bits.distance(_bits(found, layout))
        return plain(found) | _tails((np.stack([bits, latents, layout], 1) - self.centre) / self.spread)

    @property
    def threshold(self) -> float:
        """The lowest of a few p-values that has about ten usual images below it, or more."""
        total = len(self.usual["bits_per_dim"])
        return next((level for level in THRESHOLDS if level * total >= 10), THRESHOLDS[-1])

    def made_of(self, dataset: Dataset) -> Self:
        """The same reference, which remembers that it was made of images of this data set."""
        return replace(self, split=dataset.split, images=dataset.digest)

    def has_seen(self, dataset: Dataset) -> bool:
        """True if it was made of images of this data set, so that these look too usual."""
        is_same = bool(self.images) and self.images == dataset.digest
        return is_same and (self.split == dataset.split or "all" in {self.split, dataset.split})

    def rank(self, name: str, values: Floats) -> Floats:
        """The share (N,) of the usual images that have less of a score."""
        return np.searchsorted(self.usual[name], values, "left") / len(self.usual[name])

    def p_value(self, name: str, values: Floats) -> Floats:
        """The share (N,) of images that would have at least so much of a score, if all were usual ones.

        The image itself counts as one of them, so that the share is never 0.
        """
        usual = self.usual[name]
        return (1 + len(usual) - np.searchsorted(usual, values, "left")) / (1 + len(usual))

    def p_two_sided(self, name: str, values: Floats) -> Floats:
        """The share (N,) of images whose score would be at least as extreme, on the same side or the other one."""
        usual = self.usual[name]
        below = (1 + np.searchsorted(usual, values, "right")) / (1 + len(usual))
        return np.minimum(1, 2 * np.minimum(below, self.p_value(name, values)))

    def save(self, directory: Path, digest: str) -> None:
        """Write it beside a model whose weights have this digest."""
        tensors = {f"{USUAL}{name}": values for name, values in self.usual.items()}
        tensors |= {"centre": self.centre, "spread": self.spread}
        tensors |= {f"{WHERE}{name}": values for name, values in vars(self.where).items()} if self.where else {}
        for part, gaussian in zip(PARTS, self.gaussians, strict=True):
            tensors |= {f"{part}.{name}": values for name, values in vars(gaussian).items()}
        codecs = [{"name": codec.name, "version": str(codec), "sizes": codec.sizes} for codec in self.codecs]
        about = {
            "format_version": str(FORMAT_VERSION),
            "model": digest,
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "codecs": json.dumps(codecs),
        }
        in_float32 = {name: torch.from_numpy(values).float() for name, values in tensors.items()}
        weights.save_tensors(directory / REFERENCE, in_float32, about)

    @classmethod
    def load(cls, stored: StoredModel) -> Self | None:
        """The reference that is stored with a model; None if there is none.

        Raises:
            InputError: If it's damaged, if it was made with other weights, or if one of its compressors isn't here.
        """
        if stored.reference is None and stored.references:
            raise InputError(_of_other_weights(stored))
        found = cls.stored(stored)
        if found is not None and found.problem:
            raise InputError(found.problem)
        return found

    @classmethod
    def stored(cls, stored: StoredModel) -> Self | None:
        """Do as `load`, but with a `problem` instead of an error if one of the compressors isn't here.

        A line reports a reference that isn't used because it was made with other weights.
        """
        path = stored.reference
        if stored.references and path != stored.references[0]:
            say(_of_other_weights(stored))
        if path is None:
            return None
        again = how_to_make(stored, "another one")
        try:
            found, codecs = cls._read(path)
        except InputError as error:
            raise InputError(f"{error} {again}") from None
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path} is damaged, or of another version. {again}") from None
        return replace(found, problem=next((f"{each} {again}" for each in _problems(codecs)), ""))

    @classmethod
    def _read(cls, path: Path) -> tuple[Self, list[tuple[str, str, list[int]]]]:
        """What a file holds, and the name, the version and the sizes of each compressor that made it."""
        numbers = {name: tensor.double().numpy() for name, tensor in weights.load_tensors(path).items()}
        about = weights.load_facts(path)
        if about["format_version"] != str(FORMAT_VERSION):
            raise ValueError
        codecs = [(each["name"], each["version"], each["sizes"]) for each in json.loads(about["codecs"])]
        names = {name for name, _, _ in codecs}
        here = tuple(codec for codec in ALL if codec.name in names and codec.is_installed) or standard()
        usual, where = (_beginning_with(start, numbers) for start in (USUAL, WHERE))
        gaussians = tuple(Gaussian(**_beginning_with(f"{part}.", numbers)) for part in PARTS)
        pixels = UsualBits(**where) if where else None
        origin = (about["data"], about.get("split", ""), about.get("images", ""))
        return cls(gaussians, numbers["centre"], numbers["spread"], usual, here, *origin, pixels), codecs


def _beginning_with(start: str, numbers: Mapping[str, Floats]) -> dict[str, Floats]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(start): values for name, values in numbers.items() if name.startswith(start)}


def _check_number(num: int, data: str) -> None:
    if num < FEWEST:
        raise InputError(f"{data} has {counted(num, 'image')} to tell what is usual; it takes at least {FEWEST}.")


def how_to_make(stored: StoredModel, what: str) -> str:
    """How to make a reference, in a sentence, which calls it `what`."""
    if stored.is_yours:
        return f"Make {what}: glowflow calibrate {quoted(stored.name)}"
    return f"Copy {stored.home} into a folder of your own, and make {what}: glowflow calibrate FOLDER"


def _of_other_weights(stored: StoredModel) -> str:
    """Say that the first reference isn't used."""
    instead = f", so {stored.reference} is used" if stored.reference else ""
    again = how_to_make(stored, "another one")
    return f"The reference {stored.references[0]} was made with other weights of the model{instead}. {again}"


def _typical(distances: Floats) -> tuple[float, float]:
    """The mean and the standard deviation of distances (N,), without the largest of them."""
    near = distances[distances <= np.quantile(distances, NEAR)]
    return float(near.mean()), max(float(near.std()), 1e-9)


def _problems(codecs: Sequence[tuple[str, str, Sequence[int]]]) -> Iterator[str]:
    """A sentence for each compressor that isn't here, or that takes other numbers of bits for fixed pictures."""
    for name, version, sizes in codecs:
        here = next((codec for codec in ALL if codec.name == name and codec.is_installed), None)
        if here is None or tuple(sizes) != here.sizes:
            other = here if str(here) != version else f"the {here.name}" if here else None
            found = f"which codes images differently than {other} here" if here else "which isn't installed here"
            yield f"The reference was made with {version}, {found}."


def plain(found: Statistics) -> dict[str, Floats]:
    """The scores (N,) of images that need no reference."""
    scores = {"bits_per_dim": found.bits_per_dim}
    if found.codec_bits.shape[1]:
        scores["complexity_corrected"] = found.bits_per_dim - found.codec_bits[:, 0]
    return scores


def _bits(found: Statistics, layout: Floats) -> Floats:
    """What the Gaussian `bits` is about, (N, L + 2)."""
    return np.concatenate([found.level_bits, found.codec_bits, layout[:, None]], 1)


def _tails(standard: Floats) -> dict[str, Floats]:
    """Scores of standardised distances (N, 3): -log10 of the tail beyond each, and their sum."""
    tails = -torch.special.log_ndtr(-torch.from_numpy(standard)).numpy() / log(10)
    return dict(zip(PARTS, tails.T, strict=True)) | {"unusual": tails.sum(1)}
