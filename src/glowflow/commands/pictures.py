"""The commands that turn latents into images and back."""

import sys
from pathlib import Path

from glowflow.checks import check_whole
from glowflow.commands.drawing import check_enlarge, check_size, draw, names_of, whole_rows
from glowflow.commands.inputs import (
    Precision,
    check_columns,
    check_picture,
    check_seed,
    decoded,
    encoded,
    image_files,
    label_index,
    listed_temperatures,
    needed_label,
    opened,
)
from glowflow.errors import counted
from glowflow.progress import say


def sample(
    model: str,
    out: Path = Path("samples.png"),
    num: int = 64,
    temperature: float | tuple[float, ...] = 0.7,
    label: str | None = None,
    columns: int | None = None,
    enlarge: int | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: Precision = "auto",
    compiled: bool = False,
) -> None:
    """Draw random images from a model, as one picture.

    Example: glowflow sample runs/digits --out samples.png --temperature 0.8

    Args:
        out: The picture: .png, or another kind that Pillow writes.
        num: The number of images.
        temperature: The standard deviation of the latents. 0 always gives the same image. 1 gives the model's
            distribution. A list, such as "[0, 0.5, 1]", draws rows for each temperature, always from the same random
            numbers.
        label: The class, by name or number, for a class-conditional model. By default the rows go through all classes.
        columns: The number of images in a row; by default the picture is about square.
    """
    from itertools import product
    from math import ceil, sqrt

    import torch

    from glowflow.evaluate import sample as sampled

    check_whole("--num", num, 1)
    temperatures = listed_temperatures(temperature)
    check_columns(columns)
    check_seed(seed)
    check_enlarge(enlarge)
    check_picture(out)
    _, glow = opened(model, device, precision=precision, compiled=compiled)
    several = len(temperatures) > 1
    chosen, columns = label_index(glow, label), min(num, columns or (num if several else ceil(sqrt(num))))
    check_size(out, num * len(temperatures), columns, glow.config.image_shape, enlarge)
    labels = [index // columns % max(1, len(glow.class_names)) if chosen is None else chosen for index in range(num)]
    y = labels if glow.class_names else None
    images = torch.cat([whole_rows(sampled(glow, num, each, y, seed), columns) for each in temperatures])
    heads = [f"temperature {each:g}" if several else "" for each in temperatures]
    classes = [glow.class_names[label] if y and chosen is None else "" for label in labels[::columns]]
    draw(out, images, columns, enlarge, beside=[tuple(filter(None, lines)) for lines in product(heads, classes)])
    of = "" if chosen is None else f" of {glow.class_names[chosen]}"
    at = ", ".join(f"{each:g}" for each in temperatures)
    say(f"{counted(num, 'image')}{of} at {'each of the temperatures' if several else 'temperature'} {at} in {out}.")


def reconstruct(
    model: str,
    images: list[Path],
    out: Path = Path("reconstruction.png"),
    enlarge: int | None = None,
    label: str | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Encode image files and decode them again: the upper row shows the images, the lower one what came back.

    Example: glowflow reconstruct runs/mine a.jpg b.jpg --out both.png

    Args:
        out: The picture: .png, or another kind that Pillow writes.
    """
    import torch

    from glowflow.evaluate import marked_bits, scores
    from glowflow.images import quantize

    check_enlarge(enlarge)
    check_picture(out)
    stored, glow = opened(model, device)
    check_size(out, 2 * len(images), len(images), glow.config.image_shape, enlarge)
    dataset = image_files(stored, glow, images, label, value_range)
    batch, _ = dataset.batch(range(len(images)))
    back = decoded(glow, [encoded(glow, dataset)], len(images), needed_label(glow, label))
    original = quantize(batch, glow.config.num_bits)
    worst = (original.int() - back.int()).abs().flatten(1).amax(1).tolist()
    taken = [marked_bits(value, glow.config) for value in scores(glow, dataset)]
    above = list(zip(names_of(images), taken, strict=True))
    draw(out, torch.cat([original, back]), len(images), enlarge, above, beside=[("image",), ("what came back",)])
    for path, bits_per_dim, difference in zip(images, taken, worst, strict=True):
        exact = "reconstructed exactly" if difference == 0 else f"off by up to {difference} of 256 levels"
        sys.stdout.write(f"{path}: {bits_per_dim}, {exact}\n")
