"""A scale of colours that look evenly spaced."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from glowflow.evaluate import Floats

CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
"""From OKLab to the cube roots of the signals of the eye's three kinds of cones."""
RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
"""From the cones' signals to linear red, green and blue."""


def coloured(shares: Floats) -> NDArray[np.uint8]:
    """The colours (..., 3) of numbers (...) from 0 to 1: from dark violet through red to light yellow.

    >>> coloured(np.array([0.0, 1.0]))
    array([[  4,   0,  29],
           [254, 244, 115]], dtype=uint8)
    """
    return _colours()[(255 * shares).round().astype(np.int64)]


@cache
def _colours() -> NDArray[np.uint8]:
    """256 colours (256, 3) that look evenly spaced, along a curve in the colour space OKLab (Ottosson 2020)."""
    share = np.linspace(0, 1, 256)
    lightness, hue = 0.1 + 0.85 * share, np.radians(285 + 180 * share)
    chroma = 0.08 + 0.07 * share + 0.06 * np.sin(np.pi * share)  # about as much as screens can show
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    linear = ((lab @ CONES.T) ** 3 @ RGB.T).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # sRGB
    return (255 * curved).round().astype(np.uint8)
