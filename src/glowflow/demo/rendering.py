"""Images as the files that the server sends: PNG, and WebP for animations."""

from io import BytesIO

from PIL import Image
from torch import Tensor

from glowflow.pictures import as_picture

MILLISECONDS_PER_FRAME = 60
SMALLEST_FRAME = 256
"""Pixels of an animation's shorter side; smaller pictures are enlarged."""


def png(image: Tensor) -> bytes:
    """An image, uint8 (C, H, W), as a PNG file."""
    file = BytesIO()
    _picture(image).save(file, "png", compress_level=1)
    return file.getvalue()


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
