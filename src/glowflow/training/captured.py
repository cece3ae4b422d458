"""A step of training as a CUDA graph: thousands of kernels that are launched by one call."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from glowflow.progress import say
from glowflow.training.batches import Batch

WARM_UP = 3
"""Steps that run as usual, on a stream of their own, before one is captured; PyTorch asks for it."""

Step = Callable[[Batch], Tensor]


class Graph(NamedTuple):
    """A CUDA graph, and the tensors in which it finds a batch and leaves the result."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    numbers: Tensor

    def fits(self, batch: Batch) -> bool:
        """True for a batch like the captured one."""
        return [_form(part) for part in self.batch] == [_form(part) for part in batch]

    def replay(self, batch: Batch) -> Tensor:
        """Run the graph on a batch, and return its numbers."""
        for kept, part in zip(self.batch, batch, strict=True):
            if kept is not None and part is not None:
                kept.copy_(part, non_blocking=True)
        self.graph.replay()
        return self.numbers.clone()


class Captured:
    """Calls one function of a batch, which is captured as a CUDA graph in the fourth call and then replayed.

    The function must compute on the device alone. It reads no value, and it changes tensors in place: a tensor that is
    replaced later, for example by loading an optimiser's state, isn't seen by the graph. If capturing fails, the user
    is told so once, and the function runs as it is. It also does so for batches of another shape.

    It doesn't keep the function: the graph would be kept alive by the state that it belongs to, and the other way
    round, so its memory would be freed late.
    """

    def __init__(self) -> None:
        self.calls, self.failed = 0, False
        self.stream: torch.cuda.Stream | None = None
        self.graph: Graph | None = None

    def __call__(self, function: Step, batch: Batch) -> Tensor:
        """Return what the function gives for a batch. It has to be the same function in every call."""
        self.calls += 1
        with torch.cuda.device(batch.images.device):
            if self.calls <= WARM_UP:
                return self._warm_up(function, batch)
            if self.graph is None and not self.failed:
                self.graph = self._capture(function, batch)
            if self.graph is None or not self.graph.fits(batch):
                return function(batch)
            return self.graph.replay(batch)

    def _warm_up(self, function: Step, batch: Batch) -> Tensor:
        self.stream = self.stream or torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            numbers = function(batch)
        torch.cuda.current_stream().wait_stream(self.stream)
        return numbers

    def _capture(self, function: Step, batch: Batch) -> Graph | None:
        """Note what the function launches for a batch, without running it; None if it can't be."""
        kept, graph = Batch(*(None if part is None else part.clone() for part in batch)), torch.cuda.CUDAGraph()  # type: ignore[arg-type]
        stream = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph):
                numbers = function(kept)
        except RuntimeError as error:
            self.failed = True
            torch.cuda.set_stream(stream)  # which the failed capture doesn't do
            cause = _cause(error)
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause from None
            reason = str(cause).strip().splitlines()[0]
            say(f"The step isn't captured as a CUDA graph, which changes nothing but the speed: {reason}")
            return None
        return Graph(graph, kept, numbers)


def _form(part: Tensor | None) -> tuple[object, ...]:
    return () if part is None else (part.shape, part.dtype, part.device)


def _cause(error: BaseException) -> BaseException:
    """The first of the errors that led to this one: the end of a failed capture fails too."""
    while error.__context__ is not None:
        error = error.__context__
    return error
