"""Where the face is in an image, by scikit-image's cascade of local binary patterns, where it's installed."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""

SEARCHED = 320
"""Pixels of the longer side of what is searched, which bounds the time."""
SMALLEST = 40
MARGIN = 1.8
"""Side of the box in sides of what is found, which is from the eyebrows to the chin: hair and neck are in it."""


class FaceFinder:
    """Finds the largest face.

    Raises:
        ImportError: If scikit-image isn't installed.
    """

    def __init__(self) -> None:
        from skimage import data, feature  # noqa: PLC0415 (optional)

        self._cascade = feature.Cascade(data.lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]

    def find(self, image: Image.Image) -> Box | None:
        """A square box around the largest face of an image, inside of it; None if there is none."""
        small = image.convert("L")
        small.thumbnail((SEARCHED, SEARCHED))
        largest = max(self._faces(small), key=lambda face: face["width"], default=None)
        return None if largest is None else _box(largest, image.width / small.width, image.size)

    def _faces(self, image: Image.Image) -> list[dict[str, Any]]:
        if min(image.size) < SMALLEST:
            return []
        return self._cascade.detect_multi_scale(
            np.asarray(image),
            scale_factor=1.2,
            step_ratio=1,
            min_size=(SMALLEST, SMALLEST),
            max_size=(SEARCHED, SEARCHED),
        )


def face_finder() -> FaceFinder | None:
    """A face finder, if scikit-image is installed."""
    try:
        return FaceFinder()
    except ImportError:
        return None


def _box(face: dict[str, Any], scale: float, size: tuple[int, int]) -> Box:
    """The face and its margin in a larger image, moved inside where it would stick out."""
    side = min(round(MARGIN * scale * face["width"]), *size)
    left = round(scale * (face["c"] + face["width"] / 2) - side / 2)
    top = round(scale * (face["r"] + face["height"] / 2) - side / 2)
    left, top = (min(max(start, 0), whole - side) for start, whole in zip((left, top), size, strict=True))
    return left, top, left + side, top + side
