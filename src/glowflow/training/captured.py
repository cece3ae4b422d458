"""A step of training as a CUDA graph: thousands of kernels that are launched by one call."""

from collections.abc import Callable

import torch
from torch import Tensor

from glowflow.progress import say
from glowflow.training.batches import Batch

WARM_UP = 3
"""Steps that run as usual, on a stream of their own, before one is captured; PyTorch asks for it."""


class Captured:
    """A function of batches of one shape that is captured as a CUDA graph, and then replayed for each batch.

    The function must compute on the device alone: it reads no value, and whatever it changes stays where it is in
    memory. Where capturing fails, the user is told so once, and the function runs as it is.

    Args:
        function: From a batch to numbers.
    """

    def __init__(self, function: Callable[[Batch], Tensor]) -> None:
        self.function = function
        self.calls, self.failed = 0, False
        self.graph: torch.cuda.CUDAGraph | None = None
        self.batch: Batch | None = None
        self.numbers: Tensor | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """What the function gives."""
        self.calls += 1
        if self.failed:
            return self.function(batch)
        if self.calls <= WARM_UP:
            return self._warm_up(batch)
        if self.graph is None and not self._capture(batch):
            return self.function(batch)
        return self._replay(batch)

    def _warm_up(self, batch: Batch) -> Tensor:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            numbers = self.function(batch)
        torch.cuda.current_stream().wait_stream(stream)
        return numbers

    def _capture(self, batch: Batch) -> bool:
        """Note what the function launches for a batch, without running it; False if it can't be."""
        self.batch, graph = Batch(*(None if part is None else part.clone() for part in batch)), torch.cuda.CUDAGraph()  # type: ignore[arg-type]
        try:
            with torch.cuda.graph(graph):
                self.numbers = self.function(self.batch)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            say(f"The step isn't captured as a CUDA graph, which changes nothing but the speed: {reason}")
            self.failed = True
            return False
        self.graph = graph
        return True

    def _replay(self, batch: Batch) -> Tensor:
        assert self.graph is not None  # noqa: S101  for mypy
        assert self.batch is not None  # noqa: S101
        assert self.numbers is not None  # noqa: S101
        for kept, part in zip(self.batch, batch, strict=True):
            if kept is not None and part is not None:
                kept.copy_(part, non_blocking=True)
        self.graph.replay()
        return self.numbers.clone()
