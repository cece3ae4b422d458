"""Dequantisation: it turns the whole numbers of an image into continuous ones, which can have a density."""

from glowflow.dequantizers.base import Dequantizer
from glowflow.dequantizers.uniform import UniformDequantizer
from glowflow.dequantizers.variational import VariationalDequantizer

__all__ = ["Dequantizer", "UniformDequantizer", "VariationalDequantizer"]
