"""Training: the loop, its optimiser and its checkpoints."""

from glowflow.training.loop import train
from glowflow.training.options import Options
from glowflow.training.state import TrainingState

__all__ = ["Options", "TrainingState", "train"]
