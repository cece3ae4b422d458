"""Lossless compression of images by a model, in whole numbers: any machine can read what another has written."""

from glowflow.codec.compression import compress, decompress
from glowflow.codec.integer_model import IntegerModel

__all__ = ["IntegerModel", "compress", "decompress"]
