"""How a training is run, beside what it is (`RunConfig`)."""

from dataclasses import dataclass, field
from math import inf

from glowflow.checks import check_whole
from glowflow.execution import Execution
from glowflow.processes import ALONE, Processes
from glowflow.threads import Wish


@dataclass(frozen=True)
class Options:
    """What may differ from one start of a run to the next.

    >>> Options(micro_batch=8, execution=Execution(memory="reversible")).micro_batch
    8

    Args:
        execution: How training steps are computed; validation is in the parameters' type.
        micro_batch: At most so many images go through the model at a time, which saves memory; by default all.
        tensorboard: Whether to write the metrics for TensorBoard too.
        processes: Those that share each batch, this one among them.
        seconds: After so long the training stops as if asked to, saved.
        threads: How many compute, in each process: a number, or "auto" for a trial where the run has no number yet. By
            default those that the run has had, or else as many as compute now.
    """

    execution: Execution = field(default_factory=Execution)
    micro_batch: int | None = None
    tensorboard: bool = False
    processes: Processes = ALONE
    seconds: float = inf
    threads: Wish = None

    def __post_init__(self) -> None:
        if self.micro_batch is not None:
            check_whole("micro_batch", self.micro_batch, 1)
