"""The commands that write images as latents, and latents as images."""

from pathlib import Path

from glowflow.commands.drawing import check_enlarge, check_size, draw
from glowflow.commands.inputs import (
    check_columns,
    check_parent,
    check_picture,
    decoded,
    encoded,
    image_files,
    needed_label,
    opened,
)
from glowflow.errors import InputError
from glowflow.progress import say


def encode(
    model: str,
    images: list[Path],
    out: Path = Path("latents.safetensors"),
    label: str | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Write the latents of images into a file, for `decode` and for your own programs.

    Example: glowflow encode faces a.png b.png --out latents.safetensors

    The file has one tensor, z, float64 (N, D): all levels of each image, which `Glow.unflatten` separates.

    Args:
        out: The file (.safetensors).
    """
    from glowflow.latents import files

    check_parent(out)
    if out.suffix != ".safetensors":
        raise InputError(f"{out} can't be written: its name has to end in .safetensors.")
    stored, glow = opened(model, device)
    files.save(out, encoded(glow, image_files(stored, glow, images, label, value_range)), stored)
    say(f"Latents of {', '.join(map(str, images[:3]))}{' and others' if len(images) > 3 else ''} in {out}.")


def decode(
    model: str,
    latents: Path,
    out: Path = Path("decoded.png"),
    columns: int = 8,
    enlarge: int | None = None,
    label: str | None = None,
    device: str | None = None,
) -> None:
    """Draw the images of stored latents, with every pixel as it was encoded.

    Example: glowflow decode faces latents.safetensors --out decoded.png

    Args:
        model: The model that encoded them: a run's directory, a directory made by save_pretrained, the name of a model
            that comes with glowflow, or a name on the hub.
        latents: A file that `encode` wrote, or one that the web page saved (.f64).
        out: The picture: .png, or another kind that Pillow writes.
        columns: The largest number of images in a row.
    """
    from glowflow.latents import files

    check_columns(columns)
    check_enlarge(enlarge)
    check_picture(out)
    stored, glow = opened(model, device)
    index = needed_label(glow, label)
    z = files.load(latents, stored)
    if not len(z):
        raise InputError(f"{latents} has no latents in it.")
    columns = min(columns, len(z))
    check_size(out, len(z), columns, glow.config.image_shape, enlarge)
    draw(out, decoded(glow, [z], len(z), index), columns, enlarge)
    say(f"The images of {latents} are in {out}.")
