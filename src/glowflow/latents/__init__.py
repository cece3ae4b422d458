"""What can be done with latents: paths between images, redrawn levels, directions along which an attribute changes."""

from glowflow.latents.directions import Directions, digest_of, directions_of, directory_of
from glowflow.latents.fitting import fit
from glowflow.latents.paths import interpolate, redraw

__all__ = ["Directions", "digest_of", "directions_of", "directory_of", "fit", "interpolate", "redraw"]
