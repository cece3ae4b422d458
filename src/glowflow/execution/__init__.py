"""How a model's layers are run."""

from glowflow.execution.memory import MemoryMode
from glowflow.execution.precision import fast_precision
from glowflow.execution.reversible import Reversible
from glowflow.execution.run import Execution, forward, inverse

__all__ = ["Execution", "MemoryMode", "Reversible", "fast_precision", "forward", "inverse"]
