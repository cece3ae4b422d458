"""A step of training as a CUDA graph: thousands of kernels that are launched by one call."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from glowflow.progress import say
from glowflow.training.batches import Batch

WARM_UP = 3
"""Steps that run as usual, on a stream of their own, before one is captured; PyTorch asks for it."""


class Graph(NamedTuple):
    """A CUDA graph, and the tensors in which it finds a batch and leaves the result."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    numbers: Tensor


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
        self.graph: Graph | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """What the function gives."""
        self.calls += 1
        if self.calls <= WARM_UP:
            return self._warm_up(batch)
        if self.graph is None and not self.failed:
            self.graph = self._capture(batch)
        return self.function(batch) if self.graph is None else _replay(self.graph, batch)

    def _warm_up(self, batch: Batch) -> Tensor:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            numbers = self.function(batch)
        torch.cuda.current_stream().wait_stream(stream)
        return numbers

    def _capture(self, batch: Batch) -> Graph | None:
        """Note what the function launches for a batch, without running it; None if it can't be."""
        kept, graph = Batch(*(None if part is None else part.clone() for part in batch)), torch.cuda.CUDAGraph()  # type: ignore[arg-type]
        try:
            with torch.cuda.graph(graph):
                numbers = self.function(kept)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            say(f"The step isn't captured as a CUDA graph, which changes nothing but the speed: {reason}")
            self.failed = True
            return None
        return Graph(graph, kept, numbers)


def _replay(captured: Graph, batch: Batch) -> Tensor:
    for kept, part in zip(captured.batch, batch, strict=True):
        if kept is not None and part is not None:
            kept.copy_(part, non_blocking=True)
    captured.graph.replay()
    return captured.numbers.clone()
