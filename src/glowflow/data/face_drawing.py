"""Pictures of faces: vector art by python_avatars, drawn by resvg, placed, lit and put on a background."""

import io
import math
import random
import re
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glowflow.data.face_parts import HATS, Face, Rgb, choose

PICTURE = 200.0
"""The side of the visible square, in the units of the art."""
SHOULDER = 0.8
"""Values above this are compressed, as on film: bright skin keeps its shading instead of becoming flat white."""
MASKED_FILL = re.compile(
    r'(<use [^>]*?fill=")#\w+("[^>]*>)\s*'
    r'<g [^>]*?mask="[^"]*" fill="(#\w{6})">\s*(<g [^>]*>\s*)?<rect [^>]*/>\s*(?(4)</g>\s*)</g>'
)
"""A shape in grey, followed by the same shape in colour, drawn as a rectangle behind a mask."""
KINDS = {
    "eyebrows": "EyebrowType",
    "eyes": "EyeType",
    "nose": "NoseType",
    "mouth": "MouthType",
    "facial_hair": "FacialHairType",
    "accessory": "AccessoryType",
}
"""The names of the kinds of parts in python_avatars."""
CENTRE = (132.0, 122.0)
"""The point of the art, just above the nose, that lies in the picture's middle if nothing is shifted."""


def render(seed: int, index: int, size: int, studio: str = "faces") -> NDArray[np.uint8]:
    """The picture of face `index` of `seed` in a studio, uint8 (size, size, 3): a pure function of the four.

    Light varies smoothly over the picture and values are rounded at random to a neighbour (dithered), so that no
    region is flat. On exactly flat regions, only quantisation would bound the likelihood.
    """
    face = choose(seed, index, studio)
    rgb = _light(face, _compose(face, draw(face, size)))
    dither = np.random.default_rng([seed, index, size]).uniform(size=rgb.shape)
    return np.clip(np.floor(255 * rgb + dither), 0, 255).astype(np.uint8)


def draw(face: Face, size: int) -> NDArray[np.float64]:
    """The face without a background, (size, size, 4): red, green, blue, opacity, 0 to 1."""
    import resvg_py  # noqa: PLC0415

    png = resvg_py.svg_to_bytes(svg_string=place(face, art(face)), width=size, height=size, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")) / 255


def art(face: Face) -> str:
    """The upright face as SVG.

    Every part is given, because python_avatars would choose a missing one at random. Masked fills are replaced by plain
    ones, which are drawn in half the time and leave no grey fringe along the edges.
    """
    avatars = _library()
    tops = avatars.HatType if face.top in HATS else avatars.HairType
    avatar = avatars.Avatar(
        style=avatars.AvatarStyle.TRANSPARENT,
        background_color="none",
        top=tops[face.top],
        hat_color=_hex(face.hat_colour),
        **{part: getattr(avatars, kind)[getattr(face, part)] for part, kind in KINDS.items()},
        skin_color=_hex(face.skin_colour),
        hair_color=_hex(face.hair_colour),
        facial_hair_color=_hex(face.hair_colour),
        clothing=avatars.ClothingType[face.clothes],
        clothing_color=_hex(face.clothes_colour),
        shirt_graphic=avatars.ClothingGraphic.NONE,
        shirt_text="",
        title=None,
    )
    return MASKED_FILL.sub(r"\1\3\2", avatar.render())


def place(face: Face, svg: str) -> str:
    """The art turned, scaled and shifted within the visible square."""
    x, y = (PICTURE * (0.5 + shift) for shift in face.shift)
    move = (
        f"translate({x:.3f} {y:.3f}) rotate({face.rotation:.3f}) scale({face.scale[0]:.4f} {face.scale[1]:.4f}) "
        f"translate({-CENTRE[0]} {-CENTRE[1]})"
    )
    namespaces = " ".join(re.findall(r'xmlns[:\w]*="[^"]*"', svg))
    inner = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    return f'<svg {namespaces} viewBox="0 0 {PICTURE} {PICTURE}"><g transform="{move}">{inner}</g></svg>'


def _compose(face: Face, rgba: NDArray[np.float64]) -> NDArray[np.float64]:
    first, last = np.array(face.background)
    background = first + (0.5 + 0.5 * _ramp(len(rgba), face.background_angle)) * (last - first)
    opacity = rgba[..., 3:]
    # Only the face takes the full shading, because a head is curved and the wall behind it is flat.
    shading = 1 + face.light_slope * _ramp(len(rgba), face.light_angle)
    return np.asarray(opacity * rgba[..., :3] * shading + (1 - opacity) * background)


def _light(face: Face, rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    falloff = 1 + 0.5 * face.light_slope * _ramp(len(rgb), face.light_angle)
    tint = face.exposure * np.array([1 + face.warmth, 1, 1 - face.warmth])
    linear: NDArray[np.float64] = 0.5 + face.contrast * (rgb * falloff * tint - 0.5)
    room = 1 - SHOULDER
    excess = np.maximum(linear - SHOULDER, 0)
    return np.minimum(linear, SHOULDER) + room * np.tanh(excess / room)


def _ramp(size: int, angle: float) -> NDArray[np.float64]:
    """A plane over the picture, (size, size, 1), that rises in direction `angle` from about -1 to about 1."""
    line = (np.arange(size) + 0.5) / size * 2 - 1
    plane: NDArray[np.float64] = math.cos(angle) * line[None, :] + math.sin(angle) * line[:, None]
    return plane[..., None]


def _hex(colour: Rgb) -> str:
    return "#" + "".join(f"{round(255 * min(max(value, 0), 1)):02x}" for value in colour)


@cache
def _library() -> ModuleType:
    """The library python_avatars. Its import draws from the global generator, which is then restored."""
    state = random.getstate()
    library = import_module("python_avatars")
    random.setstate(state)
    return library
