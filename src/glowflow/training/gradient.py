"""Loss and gradient of a batch, which may be divided among processes, and into passes that need less memory."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from glowflow.processes import Processes
from glowflow.training.batches import Batch
from glowflow.training.objective import Objective


class Gradient:
    """The gradient of the mean loss over a batch, however the batch is divided.

    Args:
        objective: The loss.
        batch_size: Images per step, over all processes.
        micro_batch: The largest number of images in one pass; None for a process's whole share.
        processes: Each computes its share of the batch.
    """

    def __init__(self, objective: Objective, batch_size: int, micro_batch: int | None, processes: Processes) -> None:
        self.objective = processes.parallel(objective)
        self.batch_size, self.micro_batch, self.processes = batch_size, micro_batch, processes

    def accumulate(self, batch: Batch) -> Tensor:
        """Add the gradient to `grad` of the parameters, and return the mean `Loss` over all processes' images, (3,).

        Args:
            batch: This process's share of the images; ValueError if the share has another size.
        """
        share = len(self.processes.share(self.batch_size))
        if len(batch.images) != share:
            raise ValueError(f"The batch has {len(batch.images)} images; this process's share of each step is {share}.")
        *before, last = batch.split(self.micro_batch)
        with self._unsynchronized() if before else nullcontext():
            means = [self._add(part) for part in before]
        return self.processes.add(torch.stack([*means, self._add(last)]).sum(0))

    def _add(self, part: Batch) -> Tensor:
        share, loss = len(part.images) / self.batch_size, self.objective(*part)
        # DistributedDataParallel takes the mean over the processes; the parts may differ in size
        (loss.total * (share * self.processes.count)).backward()
        return share * torch.stack([value.detach() for value in loss])

    def _unsynchronized(self) -> AbstractContextManager[None]:
        return self.objective.no_sync() if isinstance(self.objective, DistributedDataParallel) else nullcontext()
