"""The commands that list, prepare and show data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from glowflow.commands.inputs import SplitName, check_picture, print_rows
from glowflow.errors import InputError

if TYPE_CHECKING:
    from glowflow.data import Dataset


def list_() -> None:
    """List what can be trained on without a download.

    Example: glowflow data list
    """
    from glowflow.data import BUILT_IN

    table = Table(title="Built-in data sets")
    for column in ("name", "what", "C x H x W", "train / validation / test", "labels", "attributes"):
        table.add_column(column, no_wrap=column == "name")
    for name, entry in BUILT_IN.items():
        shapes = ", ".join("x".join(map(str, shape)) for shape in entry.shapes)
        counts = " / ".join(f"{count:,}" for count in entry.num_images.values())
        labels, attributes = (str(len(names) or "-") for names in (entry.class_names, entry.attribute_names))
        table.add_row(name, entry.description, shapes, counts, labels, attributes)
    Console().print(table)
    Console().print("Besides: a folder of images (sub-folders are labels), an .npy or .npz file of uint8 images.")


def prepare(data: str, image_shape: tuple[int, int, int] | None = None) -> None:
    """Prepare a data set's cache, which training would otherwise do when it starts.

    Example: glowflow data prepare my_photos --image_shape "[3, 64, 64]"

    Args:
        data: A data set's name, a folder of images, or an .npy/.npz file.
        image_shape: [channels, height, width]; by default the first that a built-in data set is made for.
    """
    for dataset in _prepared(data, image_shape).values():
        shape = "x".join(map(str, dataset.image_shape))
        Console().print(f"{dataset.name}: {dataset.split} {len(dataset):,} images of {shape}", highlight=False)


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
        data: A data set's name, a folder of images, or an .npy/.npz file.
        out: The picture (.png, or whatever Pillow writes).
        image_shape: [channels, height, width]; by default the first that a built-in data set is made for.
        split: Which part of the data.
        num: How many images, spread over the data.
        num_bits: Quantise them to so many bits.
    """
    from math import ceil, sqrt

    import numpy as np

    from glowflow.evaluate import grid
    from glowflow.images import quantize

    if num < 1 or not 1 <= num_bits <= 8:
        raise InputError("--num takes a number of at least 1, and --num_bits one from 1 to 8.")
    check_picture(out)
    splits = _prepared(data, image_shape)
    dataset = splits[split]
    indices = np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(np.int64)
    images, _ = dataset.batch(indices)
    grid(quantize(images, num_bits), ceil(sqrt(len(indices)))).save(out)
    print_rows(_description(dataset, splits))


def _prepared(data: str, image_shape: tuple[int, int, int] | None) -> "dict[Any, Dataset]":
    from glowflow.data import BUILT_IN, prepare

    if image_shape is None and data not in BUILT_IN and Path(data).exists():
        raise InputError(f'Give the images of {data} a size: --image_shape "[channels, height, width]".')
    return dict(prepare(data, image_shape or (BUILT_IN[data].shapes[0] if data in BUILT_IN else (3, 32, 32))))


def _description(dataset: "Dataset", splits: "dict[Any, Dataset]") -> dict[str, str]:
    rows = {
        "images": ", ".join(f"{name} {len(part):,}" for name, part in splits.items()),
        "size": "x".join(map(str, dataset.image_shape)) + " (channels x height x width)",
    }
    if dataset.labels is not None:
        counts = {name: int((dataset.labels == i).sum()) for i, name in enumerate(dataset.class_names)}
        rows[f"labels ({dataset.split})"] = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    if dataset.attributes is not None:
        shares = zip(dataset.attribute_names, dataset.attributes.mean(0), strict=True)
        rows[f"attributes ({dataset.split})"] = ", ".join(f"{name} {share:.0%}" for name, share in shares)
    return rows
