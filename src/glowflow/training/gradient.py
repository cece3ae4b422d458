"""Loss and gradient of a batch, spread over processes, and over passes where memory is short."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from glowflow.processes import Processes
from glowflow.training.batches import Ahead


@dataclass(frozen=True)
class Gradient:
    """The gradient of the mean loss over a batch, however the batch is divided.

    Args:
        objective: As `Processes.parallel` gives it.
        batches: The images.
        batch_size: Images per step, over all processes.
        micro_batch: At most so many images go through the model at a time; None for all of a process's.
        processes: Each has its share of the batch.
    """

    objective: nn.Module
    batches: Ahead
    batch_size: int
    micro_batch: int | None
    processes: Processes

    def accumulate(self, position: int) -> Tensor:
        """Add the gradient of the batch at `position` to the parameters'; the mean `Loss` over it, as (3,) numbers."""
        parts = [(position + part.start, len(part)) for part in self.passes()]
        first, count = parts[0]
        of_next_batch = first + self.batch_size, count
        means = []
        for part, then in pairwise([*parts, of_next_batch]):
            batch = self.batches.at(*part, then=then)
            share = part[1] / self.batch_size
            with nullcontext() if then is of_next_batch else self._unsynchronized():
                loss = self.objective(*batch)
                # DistributedDataParallel takes the mean over the processes; the parts may differ in size
                (loss.total * (share * self.processes.count)).backward()
            means.append(share * torch.stack([value.detach() for value in loss]))
        return torch.stack(means).sum(0)

    def passes(self) -> list[range]:
        """The images of the batch that this process puts through the model, pass by pass."""
        share = self.processes.share(self.batch_size)
        size = self.micro_batch or len(share)
        return [share[start : start + size] for start in range(0, len(share), size)]

    def _unsynchronized(self) -> AbstractContextManager[None]:
        return self.objective.no_sync() if isinstance(self.objective, DistributedDataParallel) else nullcontext()
