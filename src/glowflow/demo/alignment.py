"""Finding a face in an image by scikit-image's cascade of local binary patterns, if that is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""

SEARCHED = 320
"""Pixels of the longer side of the image that is searched, which bounds the time."""
SMALLEST = 40
MARGIN = 1.8
"""The box's side divided by that of the found square (eyebrows to chin), so that hair and neck are in the box."""


class FaceFinder:
    """Finds the largest face.

    Raises:
        ImportError: If scikit-image isn't installed.
    """

    def __init__(self) -> None:
        from skimage import data, feature  # noqa: PLC0415 (optional)

        self._cascade = feature.Cascade(data.lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]

    def find(self, image: Image.Image) -> Box | None:
        """A square box around the largest face, inside the image; None if there is no face."""
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
    """The face and its margin, scaled to the larger image and moved inside it."""
    side = min(round(MARGIN * scale * face["width"]), *size)
    left = round(scale * (face["c"] + face["width"] / 2) - side / 2)
    top = round(scale * (face["r"] + face["height"] / 2) - side / 2)
    left, top = (min(max(start, 0), whole - side) for start, whole in zip((left, top), size, strict=True))
    return left, top, left + side, top + side
