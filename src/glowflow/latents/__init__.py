"""Work with latents: paths between images, redrawn levels, and directions along which an attribute changes."""

from glowflow.latents.directions import Directions, directions_of
from glowflow.latents.fitting import fit
from glowflow.latents.paths import interpolate, redraw
from glowflow.latents.reach import ranged, reaching
from glowflow.latents.usual import Seen, Usual, look

__all__ = [
    "Directions",
    "Seen",
    "Usual",
    "directions_of",
    "fit",
    "interpolate",
    "look",
    "ranged",
    "reaching",
    "redraw",
]
