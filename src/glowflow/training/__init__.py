"""Training: the loop, its optimiser, averaging and checkpoints."""

from glowflow.training.loop import train

__all__ = ["train"]
