"""How good samples are: their distance from real images, their precision and their recall."""

from glowflow.judging.judge import Judge, Quality

__all__ = ["Judge", "Quality"]
