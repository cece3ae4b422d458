"""How a training is run. What is trained is the `RunConfig`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from glowflow.checks import check_whole
from glowflow.execution import Execution
from glowflow.processes import ALONE, Processes
from glowflow.threads import Wish


@dataclass(frozen=True)
class Options:
    """Settings that may change when a run goes on.

    >>> Options(micro_batch=8, execution=Execution(memory="reversible")).micro_batch
    8

    Args:
        execution: How training steps are computed; validation is in the parameters' type.
        micro_batch: The largest number of images that go through the model at a time. A small one saves memory. By
            default all images of a step do.
        tensorboard: True to write the metrics for TensorBoard, too.
        processes: The processes that share each batch, this one among them.
        seconds: How long to train. Then the training saves its state and stops, as after a signal.
        captured: True to run a step as a CUDA graph where that is possible, which takes less time and more memory.
        threads: How many threads compute in each process: a number, or "auto", which tries several numbers if the run
            has none yet. By default as many as before in this run, or as many as compute now.
        report: Writes a report on the run, from what is in its directory. The first process calls it after each
            validation, such as `glowflow.reports.Report().write`. If it fails, the training goes on.
        learns_usual: True to store at the end what is usual for the model, from all validation images.
    """

    execution: Execution = field(default_factory=Execution)
    micro_batch: int | None = None
    tensorboard: bool = False
    processes: Processes = ALONE
    seconds: float = inf
    captured: bool = True
    threads: Wish = None
    report: Callable[[Path], object] | None = None
    learns_usual: bool = True

    def __post_init__(self) -> None:
        if self.micro_batch is not None:
            check_whole("micro_batch", self.micro_batch, 1)
