"""Test images of the model's data, which the page offers to begin with."""

import base64
from hashlib import blake2b
from typing import Any

import torch

from glowflow.data import Dataset
from glowflow.data.image_file import MODES
from glowflow.demo.rendering import png
from glowflow.images import quantize
from glowflow.model import Glow

MOST_BYTES = 1_000_000
"""The size of all files together. A visitor loads them before the first picture."""
DIGEST_BYTES = 4
"""Enough to tell a few images apart."""


def described(examples: Dataset | None, glow: Glow) -> dict[str, list[dict[str, Any]]]:
    """The images as the model sees them, as JSON.

    Each has a PNG file in base64, its class, and a digest of its pixels. The class is null if the model has no classes.
    Links find an image by its digest. Images that don't fit into MOST_BYTES are left out, and so are all if their
    channels aren't those of image files. Their names are left out too, because the page may be for everybody.
    """
    if examples is None or examples.image_shape[0] not in MODES:
        return {"images": []}
    images, labels = examples.batch(range(len(examples)))
    classes = labels.tolist() if labels is not None and glow.config.num_classes else [None] * len(images)
    seen = quantize(images, glow.config.num_bits)
    files = [png(image, compression=9) for image in seen]
    sizes = torch.tensor([len(file) for file in files]).cumsum(0)
    fitting = int((sizes <= MOST_BYTES).sum())
    rows = list(zip(files, classes, seen, strict=True))[:fitting]
    return {"images": [_described(*row) for row in rows]}


def _described(file: bytes, label: int | None, image: torch.Tensor) -> dict[str, Any]:
    digest = blake2b(image.numpy().tobytes(), digest_size=DIGEST_BYTES).hexdigest()
    return {"image": base64.b64encode(file).decode(), "label": label, "digest": digest}
