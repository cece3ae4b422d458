"""Processes that share work. torchrun starts them; without torchrun there is only this process."""

import ctypes
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import TypeVar
from uuid import uuid4

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from glowflow.errors import ProcessLostError
from glowflow.progress import be_silent

Result = TypeVar("Result")

PR_SET_PDEATHSIG = 1
"""A constant of Linux's prctl."""
SECONDS_BETWEEN_ANSWERS = 0.05
TIMEOUT = timedelta(minutes=30)
"""How long one process waits for another, which may be writing a checkpoint."""
CONNECTION_TIMEOUT = timedelta(seconds=20)
"""How long a process tries to reach torchrun's store, which is open before the process starts."""


@dataclass(frozen=True)
class Processes:
    """How many processes there are, and which of them this one is. It computes and exchanges tensors on `device`.

    >>> [list(Processes(rank, 3).share(8)) for rank in range(3)]
    [[0, 1], [2, 3, 4], [5, 6, 7]]
    """

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """True for the process that writes and reports."""
        return self.rank == 0

    def share(self, total: int) -> range:
        """This process's part of `total` things. The parts of all processes are disjoint and cover everything."""
        return range(total * self.rank // self.count, total * (self.rank + 1) // self.count)

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.count > 1:
            self.add(torch.zeros(1)).item()  # waits for the device, too

    def add(self, values: Tensor) -> Tensor:
        """The sum of all processes' values, on this one's device."""
        if self.count == 1:
            return values
        total = values.to(self.device, copy=True)
        dist.all_reduce(total)
        return total

    def any(self, value: bool) -> bool:  # noqa: FBT001 (what is asked about)
        """True if the value of at least one process is true."""
        return value if self.count == 1 else bool(self.add(torch.tensor(float(value))))

    def attempted(self, work: Callable[[], Result]) -> Result:
        """This process's part of some work. If it fails in one process it fails in all, so that none waits for another.

        Raises:
            ProcessLostError: If it has failed in another process alone.
        """
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:
            failure = error
        if self.any(failure is not None):
            raise failure or ProcessLostError("The work has failed in another process.")
        return result

    def mean(self, value: float) -> float:
        """The mean of all processes' values."""
        return value if self.count == 1 else float(self.add(torch.tensor(value, dtype=torch.float64))) / self.count

    def gathered(self, values: NDArray[np.float64], total: int) -> NDArray[np.float64]:
        """Join values, of which each process has its `share`, into (total, ...) values for all."""
        if self.count == 1:
            return values
        share, whole = self.share(total), torch.zeros(total, *values.shape[1:], dtype=torch.float64)
        whole[share.start : share.stop] = torch.from_numpy(values)
        return self.add(whole).cpu().numpy()

    def take_from_first(self, module: nn.Module) -> None:
        """Give the module the first process's parameters and buffers."""
        for tensor in module.state_dict().values() if self.count > 1 else ():
            dist.broadcast(tensor, 0)

    def agree(self, tensors: Mapping[str, Tensor]) -> bool:
        """True if all processes have the same tensors, bit for bit."""
        if self.count == 1:
            return True
        number = torch.tensor(_digest(tensors), device=self.device)
        least, most = number.clone(), number.clone()
        dist.all_reduce(least, dist.ReduceOp.MIN)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        return bool(least == most)

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module, whose backward pass averages the gradients over the processes."""
        if self.count == 1:
            return module
        with warnings.catch_warnings():  # about the option's new name, which older versions of torch don't know
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(module, broadcast_buffers=False)


ALONE = Processes()


def local_device(kind: str) -> str:
    """This process's device of a kind ("cuda" or "cpu"). Each process of torchrun has a GPU of its own."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if kind == "cuda" and dist.is_torchelastic_launched() else kind


_unfreed: list[BaseException] = []


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started. From then on only the first one prints messages.

    The shared objects are never freed, and the command ends the process without freeing them. PyTorch would hold
    Python's lock while it frees them, and wait for a thread of gloo that may wait for this lock.

    Raises:
        ProcessLostError: If another process has ended early. This one notices it at their next exchange.
    """
    if not dist.is_torchelastic_launched():
        yield Processes(device=device)
        return
    _end_with_launcher()
    processes = Processes(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), device)
    try:
        _join(processes)
        yield processes
    except BaseException as error:
        _unfreed.append(error)  # its frames hold the model
        if not isinstance(error, RuntimeError) or not _is_lost_connection(error):
            raise
        raise ProcessLostError(
            f"Process {processes.rank} of {processes.count} lost the connection to another one; the same command goes "
            "on from the last checkpoint."
        ) from None


def _join(processes: Processes) -> None:
    is_cuda = processes.device.startswith("cuda")
    if is_cuda:
        torch.cuda.set_device(processes.device)
    store, rank, count = _fresh_store(processes), processes.rank, processes.count
    dist.init_process_group("nccl" if is_cuda else "gloo", timeout=TIMEOUT, store=store, rank=rank, world_size=count)
    if not processes.is_first:
        be_silent()


def _end_with_launcher() -> None:
    """Have the system send SIGTERM when torchrun dies. Otherwise the processes would go on, or wait for torchrun."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _is_lost_connection(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def _fresh_store(processes: Processes) -> Store:
    """A new part of torchrun's store. The processes find each other through it.

    If torchrun has restarted the processes, the store still holds the addresses of the old ones. So the first process
    chooses a new name for its part of the store. Each other process asks for this name with a new random question, so
    that it gets no old answer.
    """
    store, *_ = next(rendezvous("env://", timeout=CONNECTION_TIMEOUT))
    store.set_timeout(TIMEOUT)
    if processes.is_first:
        name = uuid4().hex
        for rank in range(1, processes.count):
            while not store.check([f"{name}/{rank}"]):
                store.set(f"answer/{store.get(f'question/{rank}').decode()}", name)
                time.sleep(SECONDS_BETWEEN_ANSWERS)
    else:
        question = uuid4().hex
        store.set(f"question/{processes.rank}", question)
        name = store.get(f"answer/{question}").decode()
        store.set(f"{name}/{processes.rank}", "")
    return PrefixStore(name, store)


def _digest(tensors: Mapping[str, Tensor]) -> int:
    """A digest of 63 bits, which fits into an int64."""
    total = blake2b(digest_size=8)
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return int.from_bytes(total.digest(), "big") >> 1
