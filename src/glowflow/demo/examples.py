"""Test images of the model's data, which the page offers to begin with."""

import base64
from typing import Any

import torch

from glowflow.data import Dataset
from glowflow.data.image_file import MODES
from glowflow.demo.rendering import png
from glowflow.images import quantize

MOST_BYTES = 1_000_000
"""The size of all files together. A visitor loads them before the first picture."""


def described(examples: Dataset | None, num_bits: int) -> dict[str, list[dict[str, Any]]]:
    """The images as the model sees them, as JSON: PNG files in base64, each with its class or null.

    Images that don't fit into MOST_BYTES are left out, and so are all if their channels aren't those of image files.
    Their names are left out too, because the page may be for everybody.
    """
    if examples is None or examples.image_shape[0] not in MODES:
        return {"images": []}
    images, labels = examples.batch(range(len(examples)))
    classes = labels.tolist() if labels is not None and examples.class_names else [None] * len(images)
    files = [png(image, compression=9) for image in quantize(images, num_bits)]
    sizes = torch.tensor([len(file) for file in files]).cumsum(0)
    fitting = int((sizes <= MOST_BYTES).sum())
    pairs = list(zip(files, classes, strict=True))[:fitting]
    return {"images": [{"image": base64.b64encode(file).decode(), "label": label} for file, label in pairs]}
