"""Images as the files that the server sends: PNG, and WebP for animations."""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from glowflow.pictures import as_picture
from glowflow.scoring.colours import coloured
from glowflow.scoring.heat import Heat

MILLISECONDS_PER_FRAME = 60
SMALLEST_FRAME = 256
"""Pixels of an animation's shorter side; smaller pictures are enlarged."""


def png(image: Tensor, compression: int = 1) -> bytes:
    """An image, uint8 (C, H, W), as a PNG file. More compression, up to 9, takes more time."""
    file = BytesIO()
    _picture(image).save(file, "png", compress_level=compression)
    return file.getvalue()


def heat_map(heat: Heat) -> bytes:
    """A heat map as a PNG file."""
    return png(torch.from_numpy(coloured(heat.shares)).permute(2, 0, 1))


def colour_scale() -> bytes:
    """The colours of heat maps, from the first to the last, as a PNG file of one row."""
    return png(torch.from_numpy(coloured(np.linspace(0, 1, 256)[None])).permute(2, 0, 1))


def webp(images: list[Tensor]) -> bytes:
    """Images, uint8 (C, H, W), as an animation that runs to the last one and back without end."""
    frames = [_enlarged(_picture(image)) for image in images]
    file = BytesIO()
    first, *rest = [*frames, *frames[-2:0:-1]]
    first.save(
        file, "webp", save_all=True, append_images=rest, duration=MILLISECONDS_PER_FRAME, loop=0, quality=90, method=0
    )
    return file.getvalue()


def _enlarged(picture: Image.Image) -> Image.Image:
    scale = max(1, -(-SMALLEST_FRAME // min(picture.size)))
    size = picture.width * scale, picture.height * scale
    return picture.convert("RGBA" if picture.mode == "RGBA" else "RGB").resize(size, Image.Resampling.BICUBIC)


def _picture(image: Tensor) -> Image.Image:
    return as_picture(image.permute(1, 2, 0).numpy())
