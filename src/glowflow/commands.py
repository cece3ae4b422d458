"""What the commands do. Heavy imports stand inside, so that `--help` answers at once."""

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.table import Table

from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.errors import InputError
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.data import Dataset
    from glowflow.model import Glow

SplitName = Literal["train", "validation", "test"]


def train(
    preset: str,
    model: GlowConfig,
    train: TrainConfig,
    out: Path | None = None,
    data: str | None = None,
    device: str | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a model, or go on with a training that was interrupted.

    Example: glowflow train faces32 --data my_photos --out runs/mine --train.lr 5e-4

    Args:
        preset: A preset's name (see `glowflow presets`), or a YAML file with the same keys.
        model: The architecture; what isn't given is the preset's.
        train: The training; what isn't given is the preset's.
        out: The run's directory; the same command goes on with the run in it. By default runs/PRESET.
        data: Short for --train.data.
        device: cpu, cuda or mps; the best one present by default.
        tensorboard: Also write the metrics for TensorBoard.
    """
    from dataclasses import replace

    from glowflow.training import train as run

    settings = train if data is None else replace(train, data=data)
    out = out or Path("runs") / Path(preset).stem
    state = run(RunConfig(model, settings), out, _device(device), tensorboard=tensorboard)
    best = "no finite" if state.progress.best is None else f"{state.progress.best:.3f}"
    say(
        f"Done: {state.progress.position:,} images, {best} bits/dim on validation images at best. "
        f"Next: glowflow evaluate {out}; glowflow sample {out} --out samples.png"
    )


def evaluate(
    model: str,
    data: str | None = None,
    split: SplitName = "test",
    draws: int = 1,
    seed: int = 0,
    weights: Literal["averaged", "raw"] = "averaged",
    json: Path | None = None,
    device: str | None = None,
) -> None:
    """Measure bits/dim on images that the model wasn't trained on, and whether it reconstructs them exactly.

    Example: glowflow evaluate runs/digits --json digits.json

    Args:
        model: A run's directory, a directory made by save_pretrained, or a name on the hub.
        data: A data set's name, a folder of images, or an .npy/.npz file; by default what the run was trained on.
        split: Which part of the data.
        draws: How many draws of the dequantisation noise to average over.
        seed: Of the noise.
        weights: Averaged over training where the model has such, or raw.
        json: Also write the result here, with the commit, versions, seed and machine.
        device: cpu, cuda or mps; the best one present by default.
    """
    from glowflow.evaluate import likelihood, reconstruction_error
    from glowflow.provenance import provenance
    from glowflow.weights import save_json

    _check_draws(draws, seed)
    if json:
        _check_parent(json)
    glow, kind = _load(model, device, raw=weights == "raw")
    dataset = _dataset(model, data, glow, split)
    result = likelihood(glow, dataset, draws, seed)
    raw = likelihood(_load(model, device, raw=True)[0], dataset, draws, seed) if kind == "averaged" else None
    worst = reconstruction_error(glow, dataset)
    levels = 2**glow.config.num_bits
    error = "unknown" if result.standard_error is None else f"{result.standard_error:.4f}"
    over = "images" if dataset.groups is None else f"{result.num_clusters} scenes"

    shape = "x".join(map(str, dataset.image_shape))
    beside = f" (raw weights: {raw.bits_per_dim:.4f})" if raw else ""
    drawn = "1 noise draw" if draws == 1 else f"{draws} noise draws"
    exact = "exact" if worst == 0 else "not exact"
    _print(
        {
            "model": f"{model} ({kind} weights)",
            "images": f"{len(dataset)} of {dataset.name}, {split} split, {shape}, {glow.config.num_bits} bits",
            "bits/dim": f"{result.bits_per_dim:.4f}, standard error {error} over {over}, {drawn}{beside}",
            "reconstruction": f"{exact}: largest difference {worst} of {levels} levels",
        }
    )
    if json:
        content = {
            "model": model,
            "weights": kind,
            "data": dataset.name,
            "split": split,
            "image_shape": dataset.image_shape,
            "num_bits": glow.config.num_bits,
            **asdict(result),
            "bits_per_dim_raw": raw.bits_per_dim if raw else result.bits_per_dim,
            "seed": seed,
            "reconstruction_error_levels": worst,
            **provenance(),
        }
        save_json(json, content)


def score(
    model: str,
    data: str | None = None,
    out: Path = Path("scores.csv"),
    split: SplitName | Literal["all"] = "all",
    draws: int = 1,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Write each image's bits/dim to a CSV file, for instance to find unusual images.

    Example: glowflow score runs/mine --data my_photos --out scores.csv

    Args:
        model: A run's directory, a directory made by save_pretrained, or a name on the hub.
        data: A data set's name, a folder of images, or an .npy/.npz file; by default what the run was trained on.
        out: The CSV file: image, split, label, bits_per_dim.
        split: Which part of the data.
        draws: How many draws of the dequantisation noise to average over.
        seed: Of the noise.
        device: cpu, cuda or mps; the best one present by default.
    """
    from glowflow.data import SPLITS
    from glowflow.evaluate import scores
    from glowflow.weights import replacing

    _check_draws(draws, seed)
    _check_parent(out)
    glow, _ = _load(model, device)
    rows: list[tuple[str, str, str, str]] = []
    for name in SPLITS if split == "all" else (split,):
        dataset = _dataset(model, data, glow, name, may_be_empty=split == "all")
        if not len(dataset):
            continue
        values = scores(glow, dataset, draws, seed)
        labels = [""] * len(dataset) if dataset.labels is None else [dataset.class_names[i] for i in dataset.labels]
        images = map(dataset.describe, range(len(dataset)))
        rows += [(i, name, label, f"{value:.5f}") for i, label, value in zip(images, labels, values, strict=True)]
    with replacing(out) as partial, partial.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "split", "label", "bits_per_dim"), *rows])
    say(f"{len(rows)} images scored in {out}.")


def sample(
    model: str,
    out: Path = Path("samples.png"),
    num: int = 64,
    temperature: float = 0.7,
    label: int | None = None,
    columns: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Draw random images from a model, as one picture.

    Example: glowflow sample runs/digits --out samples.png --temperature 0.8

    Args:
        model: A run's directory, a directory made by save_pretrained, or a name on the hub.
        out: The picture (.png, or whatever Pillow writes).
        num: How many images.
        temperature: Standard deviation of the latents: 0 gives the same image each time, 1 the model's distribution.
        label: Class, for a class-conditional model; by default all in turn.
        columns: Images per row; about a square by default.
        seed: For the same picture again.
        device: cpu, cuda or mps; the best one present by default.
    """
    from math import ceil, sqrt

    from glowflow.evaluate import grid
    from glowflow.evaluate import sample as draw

    if num < 1 or not temperature >= 0 or (columns is not None and columns < 1):
        raise InputError("--num and --columns take a number of at least 1, and --temperature one of at least 0.")
    _check_seed(seed)
    _check_picture(out)
    glow, _ = _load(model, device)
    _check_label(glow, label)
    grid(draw(glow, num, temperature, label, seed), columns or ceil(sqrt(num))).save(out)
    say(f"{num} images at temperature {temperature:g} in {out}.")


def reconstruct(
    model: str,
    images: list[Path],
    out: Path = Path("reconstruction.png"),
    label: int | None = None,
    device: str | None = None,
) -> None:
    """Encode image files and decode them again: the upper row shows the images, the lower one what came back.

    Example: glowflow reconstruct runs/mine a.jpg b.jpg --out both.png

    Args:
        model: A run's directory, a directory made by save_pretrained, or a name on the hub.
        images: Image files; they are cropped and resized to the model's size.
        out: The picture (.png, or whatever Pillow writes).
        label: The images' class, for a class-conditional model.
        device: cpu, cuda or mps; the best one present by default.
    """
    import numpy as np
    import torch

    from glowflow.data import Dataset, read_image
    from glowflow.evaluate import grid, scores
    from glowflow.images import quantize

    _check_picture(out)
    glow, _ = _load(model, device)
    _check_label(glow, label)
    if glow.config.num_classes and label is None:
        raise InputError("This model is class-conditional: give --label.")
    pixels = np.stack([read_image(path, glow.config.image_shape) for path in images])
    labels = None if label is None else np.full(len(images), label)
    dataset = Dataset("images", "test", pixels, labels)
    batch, y = dataset.batch(range(len(images)))
    decoded = glow.decode(glow.encode(batch, y), y).cpu()
    original = quantize(batch, glow.config.num_bits)
    grid(torch.cat([original, decoded]), len(images)).save(out)
    worst = (original.int() - decoded.int()).abs().flatten(1).amax(1).tolist()
    for path, value, difference in zip(images, scores(glow, dataset), worst, strict=True):
        exact = "reconstructed exactly" if difference == 0 else f"off by up to {difference} of 256 levels"
        Console().print(f"{path}: {value:.3f} bits/dim, {exact}", markup=False, highlight=False, soft_wrap=True)


def data_list() -> None:
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


def data_prepare(data: str, image_shape: tuple[int, int, int] | None = None) -> None:
    """Prepare a data set's cache, which training would otherwise do when it starts.

    Example: glowflow data prepare my_photos --image_shape "[3, 64, 64]"

    Args:
        data: A data set's name, a folder of images, or an .npy/.npz file.
        image_shape: [channels, height, width]; by default the first that a built-in data set is made for.
    """
    for dataset in _prepared(data, image_shape).values():
        shape = "x".join(map(str, dataset.image_shape))
        Console().print(f"{dataset.name}: {dataset.split} {len(dataset):,} images of {shape}", highlight=False)


def data_show(
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
    _check_picture(out)
    splits = _prepared(data, image_shape)
    dataset = splits[split]
    indices = np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(np.int64)
    images, _ = dataset.batch(indices)
    grid(quantize(images, num_bits), ceil(sqrt(len(indices)))).save(out)
    _print(_description(dataset, splits))


def presets() -> None:
    """List every configuration that can be trained by name, its size, and its published figure.

    Example: glowflow presets
    """
    from glowflow.presets import load, names
    from glowflow.presets.size import size

    table = Table(title="Presets (parameters in millions; GFLOP of a forward pass per image)")
    for column in ("name", "data", "C x H x W", "L", "K", "width", "coupling", "bits", "batch", "beta2", "warm-up"):
        table.add_column(column, no_wrap=True)
    for column in ("GPUs", "M param.", "GFLOP", "published bits/dim"):
        table.add_column(column, justify="right")
    for name in names():
        preset = load(name)
        model, settings, cost = preset.run.model, preset.run.train, size(preset.run.model)
        shape = "x".join(map(str, model.image_shape))
        architecture = (shape, str(model.num_levels), str(model.steps), str(model.width), model.coupling)
        training = (str(model.num_bits), str(settings.batch_size), f"{settings.beta2:g}", f"{settings.warmup_images:,}")
        sizes = (f"{cost.parameters / 1e6:.2f}", f"{cost.flops / 1e9:.2f}")
        gpus = str(preset.about.gpus or "-")
        table.add_row(name, settings.data, *architecture, *training, gpus, *sizes, preset.about.published or "-")
    Console(width=None if sys.stdout.isatty() else 180).print(table)


def _device(name: str | None) -> str:
    import torch

    present = [*(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if torch.mps.is_available() else []), "cpu"]
    kind, _, number = (name or present[0]).partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in present or (number and not (number.isdecimal() and int(number) < count)):
        raise InputError(f"There is no device {name!r} here: --device takes {', '.join(present)}.")
    return name or present[0]


def _load(model: str, device: str | None, *, raw: bool = False) -> "tuple[Glow, str]":
    """The model, and the kind of its weights."""
    from glowflow.model import Glow
    from glowflow.weights import find, load_config

    chosen = _device(device)
    directory = find(model)
    kind = "raw" if raw else load_config(directory)["weights"]
    return Glow.from_pretrained(directory, chosen, raw=raw).freeze(), kind


def _dataset(model: str, data: str | None, glow: "Glow", split: SplitName, *, may_be_empty: bool = False) -> "Dataset":
    """The data set named, else the one that the run in `model` was trained on."""
    from glowflow.data import load
    from glowflow.training.batches import check_usable
    from glowflow.training.run import CONFIG, read_config

    config = Path(model) / CONFIG
    if data is None and not config.is_file():
        raise InputError(f"{model} doesn't say what it was trained on: give --data.")
    name = data or read_config(Path(model))["train"]["data"]
    dataset = load(name, glow.config.image_shape, split)
    if not may_be_empty or len(dataset):
        check_usable(glow.config, dataset)
    return dataset


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


def _print(rows: dict[str, str]) -> None:
    width = max(map(len, rows))
    for name, value in rows.items():
        sys.stdout.write(f"{name:{width}}  {value}\n")


def _check_label(glow: "Glow", label: int | None) -> None:
    classes = glow.config.num_classes
    if label is not None and not 0 <= label < classes:
        possible = f"it takes 0 to {classes - 1}" if classes else "the model isn't class-conditional"
        raise InputError(f"--label is {label}; {possible}.")


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir() or path.is_dir():
        reason = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise InputError(f"{path} can't be written: {reason}.")


def _check_picture(path: Path) -> None:
    from PIL import Image

    _check_parent(path)
    if path.suffix.lower() not in Image.registered_extensions():
        raise InputError(f"{path} can't be written: a picture's name ends in .png, .webp or the like.")


def _check_draws(draws: int, seed: int) -> None:
    if draws < 1:
        raise InputError(f"--draws is {draws}; it takes at least 1.")
    _check_seed(seed)


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed is {seed}; it takes a whole number of at least 0.")
