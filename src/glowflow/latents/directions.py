"""Directions in latent space along which an attribute of images changes, and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from glowflow import weights
from glowflow.durable import digest, load_json, save_json
from glowflow.errors import InputError, listed
from glowflow.latents.usual import Usual
from glowflow.paths import quoted
from glowflow.stored import StoredModel

FORMAT_VERSION = 1
ABOUT = "directions.json"
VECTORS = "directions.safetensors"
NEARLY_ZERO = 1e-3


@dataclass(frozen=True)
class Directions:
    """A direction for each of A attributes.

    >>> directions = Directions(("Smiling",), torch.ones(1, 4), ({"method": "means"},))
    >>> directions.edit(torch.zeros(1, 4), {"Smiling": 0.5})
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])

    Attributes:
        names: The names of the attributes.
        vectors: float32 (A, D). A strength of 1 adds a vector to a flat latent.
        about: How each vector was found, (A,).
        usual: The range of usual pictures that they were measured with (`reaching`, `ranged`), if they were.
    """

    names: tuple[str, ...]
    vectors: Tensor
    about: tuple[Mapping[str, Any], ...]
    usual: Usual | None = None

    @property
    def are_tried(self) -> bool:
        """True if it was measured how far pictures can be edited along each direction and stay usual."""
        return all("tried" in facts or "range" in facts for facts in self.about)

    def edit(self, z: Tensor, strengths: Mapping[str, float]) -> Tensor:
        """Latents (B, D) moved along some of the directions; z itself if all strengths are 0.

        Args:
            z: Flat latents.
            strengths: A strength for each of some attributes. Pictures stay usual with strengths in [-1, 1].

        Raises:
            InputError: If an attribute has no direction.
        """
        moved = z
        for name, strength in strengths.items():
            vector = self.vectors[self.index(name)].to(z)
            moved = moved + strength * vector if strength else moved
        return moved

    def index(self, name: str) -> int:
        """The position of an attribute among the names; InputError if it has none."""
        if name not in self.names:
            raise InputError(f"There is no direction for {name!r}; there is one for {listed(self.names, 40)}.")
        return self.names.index(name)

    def orthogonal_to(self, names: Sequence[str]) -> Self:
        """Directions without the components along those of `names`, so that edits change these attributes less.

        Each is made longer, so that a latent moves as far along the original direction as before.

        Raises:
            InputError: If an attribute has no direction, or nothing of a direction would remain.
        """
        vectors, about = [], []
        for name, vector, facts in zip(self.names, self.vectors.double(), self.about, strict=True):
            others = [other for other in names if other != name]
            rest = _without(vector, self.vectors[[self.index(other) for other in others]].double())
            if rest.norm() <= NEARLY_ZERO * vector.norm():
                raise InputError(f"Nothing remains of the direction for {name} without those for {listed(others)}.")
            vectors.append((rest * (vector @ vector) / (rest @ vector)).float())
            about.append({**facts, "orthogonal_to": others})
        return replace(self, vectors=torch.stack(vectors), about=tuple(about))

    def scaled(self, scales: Sequence[float]) -> Self:
        """Directions made `scales` (A,) times as long as they were when they were found."""
        factors = [scale / facts.get("scale", 1.0) for scale, facts in zip(scales, self.about, strict=True)]
        about = tuple({**facts, "scale": scale} for scale, facts in zip(scales, self.about, strict=True))
        return replace(self, vectors=self.vectors * torch.tensor(factors)[:, None], about=about)

    def joined(self, other: Self) -> Self:
        """These directions and another's, which replace those of the same name."""
        kept = [index for index, name in enumerate(self.names) if name not in other.names]
        return type(self)(
            (*(self.names[index] for index in kept), *other.names),
            torch.cat([self.vectors[kept], other.vectors]),
            (*(self.about[index] for index in kept), *other.about),
            self.usual if kept and self.usual else other.usual,  # the range that earlier ones were tried with
        )

    def save(self, model: str | Path | StoredModel) -> None:
        """Write `directions.safetensors` and `directions.json` beside the model."""
        stored = StoredModel.open(model)
        directory = stored.home
        weights.save_tensors(directory / VECTORS, {"vectors": self.vectors})
        content = {
            "format_version": FORMAT_VERSION,
            "model": stored.digest,
            "vectors": digest(directory / VECTORS),
            "directions": [{"name": name, **facts} for name, facts in zip(self.names, self.about, strict=True)],
            "usual": asdict(self.usual) if self.usual else None,
        }
        save_json(directory / ABOUT, content)

    @classmethod
    def load(cls, stored: StoredModel) -> Self | None:
        """The directions that are stored beside a model; None if there are none.

        Raises:
            InputError: If they are damaged, or were found with other weights.
        """
        directory = stored.home
        if not (directory / ABOUT).is_file():
            return None
        content = load_json(directory / ABOUT)
        vectors = weights.load_tensors(directory / VECTORS).get("vectors", torch.empty(0)).float()
        try:
            usual = Usual.read(content.get("usual"))
            about = tuple(dict(facts) for facts in content["directions"])
            names = tuple(facts.pop("name") for facts in about)
            fits = content["format_version"] == FORMAT_VERSION and content["vectors"] == digest(directory / VECTORS)
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits or vectors.ndim != 2 or len(vectors) != len(names) or not all(isinstance(n, str) for n in names):
            raise InputError(f"{directory / ABOUT} is damaged, or of another version: find the directions again.")
        if content.get("model") != stored.digest:
            raise InputError(
                f"The directions in {directory} were found before {stored.name} was trained further: find them again "
                f"(glowflow attributes {quoted(stored.name)})."
            )
        return cls(names, vectors, about, usual)


def directions_of(model: str | Path | StoredModel) -> Directions:
    """The directions that are stored beside a model.

    >>> directions_of("faces").names[:2]
    ('Smiling', 'Mouth_Open')

    Raises:
        InputError: If there are none, or they don't fit the model.
    """
    stored = StoredModel.open(model)
    found = Directions.load(stored)
    if found is None:
        raise InputError(
            f"{stored.name} has no directions for attributes yet: find them with glowflow attributes "
            f"{quoted(stored.name)} --data IMAGES."
        )
    return found


def _without(vector: Tensor, others: Tensor) -> Tensor:
    """The component of a vector (D,) that is orthogonal to others (N, D)."""
    if not len(others):
        return vector
    basis = torch.linalg.svd(others, full_matrices=False)
    spanned = basis.Vh[NEARLY_ZERO * basis.S[0] < basis.S]
    return vector - spanned.T @ (spanned @ vector)
