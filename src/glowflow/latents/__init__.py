"""What can be done with latents: paths between images, redrawn levels, directions along which an attribute changes."""

from glowflow.latents.directions import Directions, digest_of, directions_of, directory_of
from glowflow.latents.fitting import fit
from glowflow.latents.paths import interpolate, redraw
from glowflow.latents.reach import reaching
from glowflow.latents.usual import Seen, Usual, look

__all__ = [
    "Directions",
    "Seen",
    "Usual",
    "digest_of",
    "directions_of",
    "directory_of",
    "fit",
    "interpolate",
    "look",
    "reaching",
    "redraw",
]
