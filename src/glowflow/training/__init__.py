"""Training: the loop, its optimiser and its checkpoints."""

from glowflow.training.augmentation import Augmentation
from glowflow.training.batches import Batch, Batches
from glowflow.training.loop import train
from glowflow.training.options import Options
from glowflow.training.results import StepResult
from glowflow.training.state import TrainingState

__all__ = ["Augmentation", "Batch", "Batches", "Options", "StepResult", "TrainingState", "train"]
