"""What is usual for a model: the scores of validation images. Ranks and p-values compare other images with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import log
from pathlib import Path
from typing import Self

import numpy as np
import torch

from glowflow import weights
from glowflow.errors import InputError, counted
from glowflow.evaluate import Floats
from glowflow.paths import quoted
from glowflow.scoring.codecs import ALL, Codec
from glowflow.scoring.gaussian import Gaussian
from glowflow.scoring.statistics import Statistics
from glowflow.stored import StoredModel
from glowflow.weights import REFERENCE

FORMAT_VERSION = 1
FEWEST, MOST = 100, 5000
"""The fewest images that make a reference, and the most that are looked at."""
USUAL = "usual."
"""The beginning of the names of the tensors that hold the usual images' scores."""
SAME_SIZE = 0.02
"""The difference between sizes of compressed pictures, as a share, that hardly changes scores."""
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
    did (1925): the score `unusual` is the sum of -log10 of the shares of images that should be further away.

    The usual images' distances are those from the others of them (`Gaussian.fit`). So the score of a new usual image
    has the same distribution, and its p-value is evenly distributed.

    Attributes:
        gaussians: For each of PARTS.
        centre: The mean of the usual images' distances from each, (3,).
        spread: Their standard deviation, (3,).
        usual: The scores of the usual images, by their names, each ascending, (N,).
        codecs: The compressors.
        data: The name of the usual images.
    """

    gaussians: tuple[Gaussian, ...]
    centre: Floats
    spread: Floats
    usual: Mapping[str, Floats]
    codecs: tuple[Codec, ...]
    data: str

    @classmethod
    def of(cls, found: Statistics, codecs: Sequence[Codec], data: str) -> Self:
        """The reference that usual images make.

        Raises:
            InputError: If there are too few of them, or the model gives numbers that aren't finite.
        """
        num = len(found.layout)
        if num < FEWEST:
            raise InputError(f"{data} has {counted(num, 'validation image')}; a reference takes at least {FEWEST}.")
        if not all(np.isfinite(values).all() for values in (found.bits_per_dim, found.latents)):
            raise InputError(f"The model doesn't give finite numbers for all images of {data}.")
        of_layout, layout = Gaussian.fit(found.layout)
        of_latents, latents = Gaussian.fit(found.latents)
        of_bits, bits = Gaussian.fit(_bits(found, layout))
        distances = np.stack([bits, latents, layout], 1)
        centre, spread = distances.mean(0), np.maximum(distances.std(0), 1e-9)
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
        for part, gaussian in zip(PARTS, self.gaussians, strict=True):
            tensors |= {f"{part}.{name}": values for name, values in vars(gaussian).items()}
        codecs = [{"name": codec.name, "version": str(codec), "sizes": codec.sizes} for codec in self.codecs]
        about = {
            "format_version": str(FORMAT_VERSION),
            "model": digest,
            "data": self.data,
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
        if not stored.references:
            return None
        again = f"make another one: glowflow calibrate {quoted(stored.name)}"
        path = stored.reference
        if path is None:
            raise InputError(f"The reference {stored.references[0]} was made with other weights of the model: {again}.")
        try:
            found, codecs = cls._read(path)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is damaged, or of another version: {again}.") from None
        for name, version, sizes in codecs:
            _check(name, version, sizes, again)
        return found

    @classmethod
    def _read(cls, path: Path) -> tuple[Self, list[tuple[str, str, list[int]]]]:
        """What a file holds, and the name, the version and the sizes of each compressor that made it."""
        numbers = {name: tensor.double().numpy() for name, tensor in weights.load_tensors(path).items()}
        about = weights.load_facts(path)
        if about["format_version"] != str(FORMAT_VERSION):
            raise ValueError
        codecs = [(each["name"], each["version"], each["sizes"]) for each in json.loads(about["codecs"])]
        names = {name for name, _, _ in codecs}
        usual = {name.removeprefix(USUAL): values for name, values in numbers.items() if name.startswith(USUAL)}
        gaussians = tuple(_gaussian(numbers, part) for part in PARTS)
        used = tuple(codec for codec in ALL if codec.name in names)
        return cls(gaussians, numbers["centre"], numbers["spread"], usual, used, about["data"]), codecs


def _gaussian(numbers: Mapping[str, Floats], part: str) -> Gaussian:
    return Gaussian(**{field.name: numbers[f"{part}.{field.name}"] for field in fields(Gaussian)})


def _check(name: str, version: str, sizes: Sequence[int], again: str) -> None:
    """Refuse a compressor that isn't here, or that takes other numbers of bits for fixed pictures."""
    here = next((codec for codec in ALL if codec.name == name and codec.is_installed), None)
    expected = here.sizes if here else ()
    if len(sizes) != len(expected) or not np.allclose(sizes, expected, rtol=SAME_SIZE):
        found = f"which codes images differently than {here} here" if here else "which isn't installed here"
        raise InputError(f"The reference was made with {version}, {found}: {again}.")


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
