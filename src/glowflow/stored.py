"""A stored model. It's opened once, and passed on to everything that needs it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from glowflow import weights
from glowflow.config import GlowConfig
from glowflow.durable import digest, is_sealed, load_json, parsed_json, verify
from glowflow.errors import InputError, UnregisteredPartError
from glowflow.migration import migrated
from glowflow.paths import expanded, quoted
from glowflow.weights import CONFIG, FORMAT_VERSION, MODEL, RAW, REFERENCE, USUAL, VALUE_RANGES


@dataclass(frozen=True)
class StoredModel:
    """A model on disk. Each of its files is read when it's first needed, and then kept.

    Every property raises InputError if its file is missing or damaged.

    >>> faces = StoredModel.open("faces")
    >>> faces.kind, faces.config.image_shape, faces.class_names
    ('averaged', (3, 64, 64), [])

    Args:
        name: The name or path that the user gave.
        directory: The directory of its files.
    """

    name: str
    directory: Path

    @classmethod
    def open(cls, model: "str | Path | StoredModel") -> "StoredModel":
        """Open the model that a name or a path means, see `weights.find`. A model that is open already is returned."""
        return model if isinstance(model, StoredModel) else cls(str(model), weights.find(model))

    @property
    def home(self) -> Path:
        """The directory for its directions: the one that the user gave, else the model's own."""
        named = Path(expanded(self.name))
        return named if named in (self.directory, *self.directory.parents) else self.directory

    @property
    def is_yours(self) -> bool:
        """True if the user gave its place. Models of the hub, and those that come with glowflow, only have names."""
        return self.home == Path(expanded(self.name))

    @cached_property
    def config(self) -> GlowConfig:
        """Its architecture."""
        try:
            return GlowConfig(**migrated(self._about["model"]))
        except UnregisteredPartError as error:
            raise InputError(
                f"The model in {self.name} has the {error.kind} {error.name!r}, which isn't registered: "
                "give its file by --plugins FILE, or import it first."
            ) from None
        except TypeError as error:
            raise InputError(f"{self.directory / CONFIG} doesn't describe a model: {error}.") from None

    @property
    def kind(self) -> str:
        """The kind of its weights: "raw", or "averaged" over the training."""
        return str(self._about["weights"])

    @property
    def class_names(self) -> list[str]:
        """The names of a class-conditional model's classes."""
        return list(self._about["class_names"])

    @property
    def has_raw(self) -> bool:
        """True if there are raw weights beside averaged ones."""
        return (self.directory / RAW).is_file()

    @property
    def references(self) -> list[Path]:
        """The files that may say what is usual for it (`scoring.Reference`), its own directory's last."""
        places = dict.fromkeys((self.home / REFERENCE, self.directory / REFERENCE))
        return [path for path in places if path.is_file()]

    @cached_property
    def reference(self) -> Path | None:
        """The first of these files that belongs to its weights; None if there is none."""
        return next((path for path in self.references if self._facts(path).get("model") == self.digest), None)

    @cached_property
    def usual(self) -> dict[str, Any]:
        """Percentiles 1, 50 and 99 of the bits/dim of usual images, their number and their name; empty if unknown."""
        if self.reference is None:
            older = self.directory / USUAL
            return load_json(older) if older.is_file() else {}
        with self._with_a_way_out():
            bits = weights.load_tensors(self.reference).get("usual.bits_per_dim", Tensor())
        if not bits.numel():
            raise InputError(f"{self.reference} is damaged: it should hold the bits/dim of usual images.")
        shares = {f"{share}%": float(bits.quantile(share / 100)) for share in (1, 50, 99)}
        data = self._facts(self.reference).get("data", "")
        return {"data": data, "images": len(bits), "bits_per_dim": shares}

    def _facts(self, reference: Path) -> dict[str, str]:
        """What is noted in a reference."""
        with self._with_a_way_out():
            return weights.load_facts(reference)

    @contextmanager
    def _with_a_way_out(self) -> Iterator[None]:
        """Say what to do about a damaged reference."""
        try:
            yield
        except InputError as error:
            again = f"Remove it, or make another one: glowflow calibrate {quoted(self.name)}"
            raise InputError(f"{error} {again}") from None

    @cached_property
    def value_ranges(self) -> Mapping[str, tuple[float, float]]:
        """The value ranges of the training images, by the kind of values (`data.Dataset`)."""
        path = self.directory / VALUE_RANGES
        content = load_json(path) if path.is_file() else {}
        try:
            return {kind: (float(low), float(high)) for kind, (low, high) in content.items()}
        except (TypeError, ValueError):
            raise InputError(f"{path} is damaged: it should hold two numbers for each kind of values.") from None

    @cached_property
    def digest(self) -> str:
        """A digest of its weights. Directions and latents record the digest of the weights that they belong to."""
        return digest(self._undamaged / MODEL)

    def weights(self, *, raw: bool = False) -> tuple[dict[str, Tensor], Path]:
        """Its weights and their file. With `raw` these are the raw weights."""
        file = self._undamaged / (RAW if raw and self.kind != "raw" else MODEL)
        return weights.load_tensors(file), file

    @cached_property
    def _undamaged(self) -> Path:
        """The directory, after a check of its files if it has digests."""
        if is_sealed(self.directory):
            verify(self.directory, {CONFIG: self._content}, but=(REFERENCE,))
        return self.directory

    @cached_property
    def _content(self) -> bytes:
        return (self.directory / CONFIG).read_bytes()

    @cached_property
    def _about(self) -> dict[str, Any]:
        """The content of `config.json`."""
        path = self.directory / CONFIG
        about = parsed_json(self._content, path)
        found = about.get("format_version")
        if found not in range(1, FORMAT_VERSION + 1):
            raise InputError(f"{path} has format version {found}; this glowflow reads versions 1 to {FORMAT_VERSION}.")
        if not isinstance(about.get("model"), dict) or about.get("weights") not in {"raw", "averaged"}:
            raise InputError(f"{path} is damaged: it should name a model's settings and its kind of weights.")
        names = about.setdefault("class_names", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path} is damaged: class_names should be a list of names.")
        return about
