"""The commands that list, prepare and show data sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from glowflow.commands.inputs import SplitName, check_picture, print_rows, wide_console
from glowflow.errors import InputError, listed

if TYPE_CHECKING:
    from glowflow.data import BuiltIn, Dataset, Published


def list_() -> None:
    """List what can be trained on by name.

    Example: glowflow data list
    """
    from glowflow.data import BUILT_IN, PUBLISHED
    from glowflow.data.published import prepared_shapes

    console = wide_console()
    table = _table("Built-in data sets, which need no download", "train / validation / test", "labels", "attributes")
    for name, entry in BUILT_IN.items():
        labels, attributes = (str(len(names) or "-") for names in (entry.class_names, entry.attribute_names))
        table.add_row(name, entry.description, _shapes(entry), _counts(entry), labels, attributes)
    console.print(table)
    table = _table(
        "Published data sets, prepared once: glowflow data prepare NAME --files DIR", "images as published", "prepared"
    )
    for name, published in PUBLISHED.items():
        there = [f"{shape}{title.removeprefix(name)}" for shape, title in prepared_shapes(name).items()]
        table.add_row(name, published.description, _shapes(published), _counts(published), "; ".join(there) or "-")
    console.print(table)
    console.print(
        "Besides: a folder of images (sub-folders are labels) or of the original's TFRecord shards, an .npy or .npz "
        "file of uint8 images, hf:NAME for a data set of the Hugging Face hub.",
        highlight=False,
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for column in ("name", "what", "C x H x W", *columns):
        table.add_column(column, no_wrap=column == "name")
    return table


def _shapes(entry: "BuiltIn | Published") -> str:
    return ", ".join(map(_size, entry.shapes))


def _counts(entry: "BuiltIn | Published") -> str:
    return " / ".join(f"{count:,}" for count in entry.num_images.values())


def _size(image_shape: Sequence[int]) -> str:
    return "x".join(map(str, image_shape))


def prepare(
    data: str, image_shape: tuple[int, int, int] | None = None, files: Path | None = None, download: bool = False
) -> None:
    """Prepare a data set's cache: a published one from its files, any other as training would when it starts.

    Example: glowflow data prepare cifar10 --files downloads

    Args:
        data: A data set's name, a folder of images or of TFRecord shards, an .npy/.npz file, or hf:NAME.
        image_shape: [channels, height, width]; by default the first that a data set is listed with.
        files: The folder with the files of a published data set; the message of a missing one tells what it holds.
        download: Have torchvision download the files first, to the folder given with --files or one in the cache.
    """
    from glowflow.data import PUBLISHED
    from glowflow.data.published import fetch

    if download and data not in PUBLISHED:
        raise InputError(f"--download is for the published data sets ({', '.join(PUBLISHED)}), and {data} isn't one.")
    folder = fetch(data, files) if download else files
    for dataset in _prepared(data, image_shape, folder).values():
        size = _size(dataset.image_shape)
        Console().print(
            f"{dataset.name}: {dataset.split} {len(dataset):,} images of {size}", highlight=False, soft_wrap=True
        )


def show(
    data: str,
    out: Path = Path("images.png"),
    image_shape: tuple[int, int, int] | None = None,
    split: SplitName = "train",
    num: int = 64,
    num_bits: int = 8,
) -> None:
    """Show what a data set looks like to a model: a picture of its images, how many there are, its labels.

    Example: glowflow data show faces --out faces.png

    Args:
        data: A data set's name, a folder of images or of TFRecord shards, an .npy/.npz file, or hf:NAME.
        out: The picture (.png, or whatever Pillow writes).
        image_shape: [channels, height, width]; by default the first that a data set is listed with.
        split: Which part of the data.
        num: How many images, spread over the data.
        num_bits: Quantise them to so many bits.
    """
    from math import ceil, sqrt

    import numpy as np

    from glowflow.data import PUBLISHED
    from glowflow.images import quantize
    from glowflow.pictures import check_count, grid, save

    if num < 1 or not 1 <= num_bits <= 8:
        raise InputError("--num takes a number of at least 1, and --num_bits one from 1 to 8.")
    check_picture(out)
    splits = _prepared(data, image_shape)
    dataset = splits[split]
    if not len(dataset):
        raise InputError(f"{dataset.name} has no images in its {split} split.")
    check_count(min(num, len(dataset)), dataset.image_shape)
    indices = np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(np.int64)
    images, _ = dataset.batch(indices)
    save(grid(quantize(images, num_bits), ceil(sqrt(len(indices)))), out)
    print_rows(_description(dataset, splits, PUBLISHED[data].description if data in PUBLISHED else ""))


def _prepared(data: str, image_shape: tuple[int, int, int] | None, files: Path | None = None) -> "dict[Any, Dataset]":
    from glowflow.data import BUILT_IN, PUBLISHED, is_name, prepare

    entry: BuiltIn | Published | None = BUILT_IN.get(data) or PUBLISHED.get(data)
    if image_shape is None and entry is None and (is_name(data) or Path(data).exists()):
        raise InputError(f'Give the images of {data} a size: --image_shape "[channels, height, width]".')
    return dict(prepare(data, image_shape or (entry.shapes[0] if entry else (3, 32, 32)), files=files))


def _description(dataset: "Dataset", splits: "dict[Any, Dataset]", description: str) -> dict[str, str]:
    rows = {
        "data": dataset.name,
        "images": ", ".join(f"{name} {len(part):,}" for name, part in splits.items()),
        "size": f"{_size(dataset.image_shape)} (channels x height x width)",
    }
    if description:
        rows["what"] = description
    if dataset.labels is not None:
        counts = {name: int((dataset.labels == i).sum()) for i, name in enumerate(dataset.class_names)}
        rows[f"labels ({dataset.split})"] = listed([f"{name} {count:,}" for name, count in counts.items()])
    if dataset.attributes is not None:
        shares = zip(dataset.attribute_names, dataset.attributes.mean(0), strict=True)
        rows[f"attributes ({dataset.split})"] = ", ".join(f"{name} {share:.0%}" for name, share in shares)
    return rows
