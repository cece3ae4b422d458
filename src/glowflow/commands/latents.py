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
    """Write the latents of images into a file, for `decode` and for programs of one's own.

    Example: glowflow encode faces a.png b.png --out latents.safetensors

    The file has one tensor, z, float64 (N, D): for each image all levels, as `Glow.unflatten` takes them apart.

    Args:
        model: A run's directory, a directory made by save_pretrained, the name of a model that comes with glowflow, or
            a name on the hub.
        images: Image files; they are cropped and resized to the model's size.
        out: The file (.safetensors).
        label: The images' class, by name or number, for a class-conditional model.
        value_range: LOW,HIGH: the values of image files of more than 8 bits that become black and white; by default
            those of the model's training, or else usual ones that hold all values.
        device: cpu, cuda or mps; the best one present by default.
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
    """Draw the images of latents, every pixel as it was encoded.

    Example: glowflow decode faces latents.safetensors --out decoded.png

    Args:
        model: The model that encoded them: a run's directory, a directory made by save_pretrained, the name of a model
            that comes with glowflow, or a name on the hub.
        latents: A file that `encode` wrote, or one that the web page saved (.f64).
        out: The picture (.png, or whatever Pillow writes).
        columns: Images in a row, at most.
        enlarge: How many times as large the images are drawn, a whole number; by default as suits a screen.
        label: The images' class, by name or number, for a class-conditional model.
        device: cpu, cuda or mps; the best one present by default.
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
