"""Draw the pictures of docs/concepts.md, of latents, bits/dim and temperature, with the bundled faces.

Run: python -m tools.concepts (half a minute).
"""

from pathlib import Path

import torch
from torch import Tensor

from glowflow import Glow
from glowflow.commands.drawing import draw
from glowflow.evaluate import bits_of, sample

PICTURES = Path(__file__).parents[1] / "docs" / "images"
TEMPERATURES = (0, 0.5, 0.7, 1)
ENLARGE = 2


def main() -> None:
    """Draw all three."""
    model = Glow.from_pretrained("faces").freeze()
    faces = sample(model, 6, temperature=0.6, seed=3)
    latents(model, faces)
    bits(model, faces[5])
    temperatures(model)


def latents(model: Glow, faces: Tensor) -> None:
    """Images, their latents as grey values, and the images that come back."""
    z = model.encode(faces)
    grey = (64 * z + 128).clamp(0, 255).byte().reshape(len(z), 3, *faces.shape[2:])
    rows = torch.cat([faces, grey, model.decode(z)])
    draw(PICTURES / "latents.png", rows, len(faces), ENLARGE, beside=[("image",), ("latents",), ("decoded",)])


def bits(model: Glow, face: Tensor) -> None:
    """A face, the same face with more and more of its pixels shuffled, and noise, with their bits/dim."""
    generator = torch.Generator().manual_seed(0)
    images = [face, face.flip(1), shuffled(face, 32, generator), shuffled(face, 64, generator)]
    images.append(torch.randint(256, face.shape, generator=generator, dtype=torch.uint8))
    names = ("a face", "upside down", "a part shuffled", "all shuffled", "noise")
    values = bits_of(model, torch.stack(images)).tolist()
    above = [(name, f"{value:.2f} bits/dim") for name, value in zip(names, values, strict=True)]
    draw(PICTURES / "bits.png", torch.stack(images), len(images), ENLARGE, above)


def shuffled(image: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """An image (C, H, W) with the pixels of a square in its middle in a random order."""
    start = (image.shape[1] - size) // 2
    where = slice(start, start + size)
    changed = image.clone()
    square = changed[:, where, where].flatten(1)
    changed[:, where, where] = square[:, torch.randperm(size**2, generator=generator)].reshape(-1, size, size)
    return changed


def temperatures(model: Glow) -> None:
    """The same random latents at several temperatures."""
    rows = [sample(model, 6, temperature, seed=3) for temperature in TEMPERATURES]
    beside = [(f"temperature {temperature}",) for temperature in TEMPERATURES]
    draw(PICTURES / "temperature.png", torch.cat(rows), 6, ENLARGE, beside=beside)


if __name__ == "__main__":
    main()
