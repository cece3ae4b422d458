"""The commands that list, prepare and show data sets."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.commands.inputs import SplitName, check_picture, print_rows
from glowflow.commands.tables import print_table, wide_console
from glowflow.errors import InputError, in_a_row, quoted_name
from glowflow.shapes import shape_text

if TYPE_CHECKING:
    from glowflow.data import BuiltIn, Glimpse, Published


def list_() -> None:
    """List the data sets that have names.

    Example: glowflow data list
    """
    from glowflow.data import BUILT_IN, PUBLISHED
    from glowflow.data.published import prepared_shapes

    rows: list[tuple[str, ...]] = []
    for name, entry in BUILT_IN.items():
        labels, attributes = (str(len(names) or "-") for names in (entry.class_names, entry.attribute_names))
        rows.append((name, entry.description, _shapes(entry), _counts(entry), labels, attributes))
    title, columns = "Built-in data sets, which need no download", ("train / validation / test", "labels", "attributes")
    _show(title, columns, rows, spare=columns[::-1])
    rows = []
    for name, published in PUBLISHED.items():
        there = [f"{shape}{title.removeprefix(name)}" for shape, title in prepared_shapes(name).items()]
        rows.append((name, published.description, _shapes(published), _counts(published), "; ".join(there) or "-"))
    title = "Published data sets, prepared once: glowflow data prepare NAME --files DIR"
    _show(title, ("images as published", "prepared"), rows, spare=("images as published", "C x H x W"))
    wide_console().print(
        "You can also train on a folder of images (its sub-folders are labels), a folder of the original's TFRecord "
        "shards, an .npy or .npz file of uint8 images, or hf:NAME, a data set of the Hugging Face hub. A plus sign "
        "joins several in equal shares: photos+faces."
    )


def _show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str]) -> None:
    print_table(title, ("name", "what", "C x H x W", *columns), rows, sentences="what", spare=spare)


def _shapes(entry: "BuiltIn | Published") -> str:
    return ", ".join(map(shape_text, entry.shapes))


def _counts(entry: "BuiltIn | Published") -> str:
    return " / ".join(f"{count:,}" for count in entry.num_images.values())


def prepare(
    data: str,
    image_shape: tuple[int, int, int] | None = None,
    files: Path | None = None,
    download: bool = False,
    value_range: tuple[float, float] | None = None,
) -> None:
    """Prepare a data set in the cache: a published one from its files, any other as its first training would.

    Example: glowflow data prepare cifar10 --files downloads

    Args:
        data: A data set's name, a folder of images or of TFRecord shards, an .npy/.npz file, or hf:NAME. A plus sign
            joins several in equal shares.
        files: The folder with the files of a published data set. A message says what is missing.
        download: Have torchvision download the files first, to the folder given with --files or one in the cache.
    """
    from glowflow.data import PUBLISHED, check_needed, for_all_kinds, prepare
    from glowflow.data.published import fetch

    if download and data not in PUBLISHED:
        raise InputError(f"--download is for the published data sets ({', '.join(PUBLISHED)}), and {data} isn't one.")
    folder = fetch(data, files) if download else files
    shape = _shape_of(data, image_shape)
    splits = prepare(data, shape, files=folder, value_ranges=for_all_kinds(value_range))
    check_needed(value_range, splits["train"].value_ranges, f"the images of {data}")
    for dataset in splits.values():
        size = shape_text(dataset.image_shape)
        sys.stdout.write(f"{dataset.name}: {dataset.split} {len(dataset):,} images of {size}\n")


def show(
    data: str,
    out: Path = Path("images.png"),
    image_shape: tuple[int, int, int] | None = None,
    split: SplitName = "train",
    num: int = 64,
    num_bits: int = 8,
    value_range: tuple[float, float] | None = None,
) -> None:
    """Show a data set as a model sees it: a picture of its images, their number and their labels.

    Example: glowflow data show faces --out faces.png

    Args:
        data: A data set's name, a folder of images or of TFRecord shards, an .npy/.npz file, or hf:NAME. A plus sign
            joins several in equal shares.
        out: The picture: .png, or another kind that Pillow writes.
        num: The number of images to show, spread over the data.
        num_bits: The bits per channel to quantise them to.
    """
    from math import ceil, sqrt

    from glowflow.data import PUBLISHED, check_needed, for_all_kinds, look_at
    from glowflow.images import quantize
    from glowflow.pictures import check_count, grid, save

    if num < 1 or not 1 <= num_bits <= 8:
        raise InputError("--num takes a number of at least 1, and --num-bits one from 1 to 8.")
    check_picture(out)
    found = look_at(data, _shape_of(data, image_shape), split, num, value_ranges=for_all_kinds(value_range))
    if not len(found.shown):
        raise InputError(f"{found.shown.name} has no images in its {split} split.")
    check_needed(value_range, found.shown.value_ranges, f"the images of {data}")
    check_count(len(found.shown), found.shown.image_shape)
    images, _ = found.shown.batch(range(len(found.shown)))
    save(grid(quantize(images, num_bits), ceil(sqrt(len(images)))), out)
    print_rows(_description(found, PUBLISHED[data].description if data in PUBLISHED else ""))


def _shape_of(data: str, image_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """The shape that the user gave, or the first that a data set is listed with."""
    from glowflow.data import BUILT_IN, PUBLISHED, is_there
    from glowflow.data.joined import names_in

    entries: dict[str, BuiltIn | Published] = {**BUILT_IN, **PUBLISHED}
    listed = [entries[name].shapes[0] for name in names_in(data) if name in entries]
    if image_shape is None and not listed and is_there(data):
        raise InputError(f'Give the images of {data} a size: --image-shape "[channels, height, width]".')
    return image_shape or (*listed, (3, 32, 32))[0]


def _description(found: "Glimpse", description: str) -> dict[str, str]:
    from glowflow.data import described

    shown = found.shown
    rows = {
        "data": shown.name,
        "images": ", ".join(f"{name} {count:,}" for name, count in found.counts.items()),
        "size": f"{shape_text(shown.image_shape)} (channels x height x width)",
    }
    if description:
        rows["what"] = description
    if not found.is_prepared:
        rows["prepared"] = f"not yet: only the {len(shown):,} images shown were looked at"
    if shown.value_ranges:
        rows["values" if found.is_prepared else f"values (of the {len(shown):,} shown)"] = described(shown.value_ranges)
    if found.labels is not None:
        counts = {name: int((found.labels == i).sum()) for i, name in enumerate(shown.class_names)}
        entries = [f"{quoted_name(name)} {count:,}" for name, count in counts.items()]
        rows[f"labels ({_part(found, len(found.labels))})"] = in_a_row(entries)
    if found.attributes is not None:
        shares = zip(shown.attribute_names, found.attributes.mean(0), strict=True)
        part = _part(found, len(found.attributes))
        rows[f"attributes ({part})"] = ", ".join(f"{quoted_name(name)} {share:.0%}" for name, share in shares)
    return rows


def _part(found: "Glimpse", count: int) -> str:
    """Name the images that a count refers to: the whole split, or those shown."""
    split = found.shown.split
    is_whole = split != "all" and count == found.counts[split]
    return split if is_whole else f"of the {count:,} shown"
